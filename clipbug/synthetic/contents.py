"""Draw the content of a screen between its bars: lists, forms, settings, galleries."""

from collections.abc import Callable

from clipbug.synthetic.canvas import Canvas, Rect
from clipbug.synthetic.pools import Color
from clipbug.synthetic.screen import Kind, Screen
from clipbug.synthetic.style import SCREEN_WIDTH, Style, mix
from clipbug.synthetic.widgets import picture, switch, text_field

HEADER_HEIGHT = 28
FIELD_HEIGHT = 30
GAP_AROUND_BUTTON = 8

Regions = dict[str, Rect]


def draw_content(canvas: Canvas, style: Style, screen: Screen, view: Rect, button: Rect) -> Regions:
    """Draw the content into `view`, around the button.

    Boxes may extend beyond the view, as the bars and the band of the button are drawn over them later.

    Args:
        canvas: the canvas to draw on.
        style: theme and layout.
        screen: the state to draw.
        view: the visible area.
        button: box of the button.

    Returns:
        The boxes of elements that can be touched, by name.
    """
    header, *slots = _slots(style, screen, view, button)
    draw: dict[Kind, Callable[[Canvas, Style, Screen, list[Rect]], Regions]] = {
        "list": _list,
        "form": _form,
        "settings": _settings,
        "gallery": _gallery,
    }
    regions = _search(canvas, style, screen, slots.pop(0)) if screen.has_search else {}
    _header(canvas, style, screen, header)
    return regions | draw[screen.kind](canvas, style, screen, slots)


def _slots(style: Style, screen: Screen, view: Rect, button: Rect) -> list[Rect]:
    """Return full-width boxes for the header, the search field if there is one, and each row."""
    layout = style.layout
    columns = layout.num_columns if screen.kind == "gallery" else 1
    rows = -(-len(screen.labels) // columns)
    height = {"form": FIELD_HEIGHT + 14, "gallery": SCREEN_WIDTH // layout.num_columns - 14}
    header = HEADER_HEIGHT if screen.kind in ("list", "settings") else 4
    heights = [
        header,
        *[FIELD_HEIGHT + 8] * screen.has_search,
        *[height.get(screen.kind, layout.row_height)] * rows,
    ]
    slots, top = [], view.top
    for each in heights:
        if top + each > button.top - GAP_AROUND_BUTTON and top < button.bottom + GAP_AROUND_BUTTON:
            top = button.bottom + GAP_AROUND_BUTTON
        slots.append(Rect(0, top, SCREEN_WIDTH, top + each).shifted(-screen.scroll))
        top += each
    return slots


def _search(canvas: Canvas, style: Style, screen: Screen, slot: Rect) -> Regions:
    box = Rect(
        style.layout.padding, slot.top + 4, SCREEN_WIDTH - style.layout.padding, slot.top + 4 + FIELD_HEIGHT
    )
    text_field(canvas, style, box, "Search", screen.focus[1] if screen.focus is not None else None)
    return {"field 0": box}


def _header(canvas: Canvas, style: Style, screen: Screen, slot: Rect) -> None:
    """Draw the counter of a list or the heading of settings."""
    anchor = (style.layout.padding + 2, slot.center[1] + 2)
    if screen.kind == "list":
        canvas.text(screen.counter, anchor, style.theme.accent, height=11, bold=True)
    elif screen.kind == "settings":
        canvas.text(screen.title, anchor, style.theme.accent, height=7, bold=True)


def _label(
    canvas: Canvas, screen: Screen, index: int, anchor: tuple[int, int], color: Color, width: int
) -> None:
    """Draw a label, and two others on top of it for the fault "overlapping text"."""
    canvas.text(screen.labels[index], anchor, color, height=8, max_width=width)
    if screen.fault == "overlapping text":
        (x, y), others = anchor, screen.labels * 2
        canvas.text(others[index - 1], (x + 7, y + 5), color, height=9, bold=True)
        canvas.text(others[index - 2], (x - 4, y - 5), color, height=9, bold=True)


def _row_background(canvas: Canvas, style: Style, slot: Rect, *, is_new: bool) -> None:
    theme, layout = style.theme, style.layout
    fill = mix(theme.surface, theme.accent, 0.4) if is_new else theme.surface
    if layout.separator == "card":
        box = Rect(slot.left + 6, slot.top + 2, slot.right - 6, slot.bottom - 2)
        canvas.bordered_box(box, fill, theme.outline, layout.radius)
    elif is_new:
        canvas.box(slot, fill)
    if layout.separator == "line":
        canvas.box(
            Rect(layout.padding, slot.bottom - 1, SCREEN_WIDTH - layout.padding, slot.bottom), theme.outline
        )


def _list(canvas: Canvas, style: Style, screen: Screen, slots: list[Rect]) -> Regions:
    theme, layout = style.theme, style.layout
    padding = layout.padding + (4 if layout.separator == "card" else 0)
    regions = {}
    for index, slot in enumerate(slots):
        _row_background(canvas, style, slot, is_new=index < screen.new_rows)
        start = padding
        if layout.leading != "none":
            radius = layout.row_height // 2 - 5
            middle = (padding + radius, slot.center[1])
            tint = theme.tint_of(screen.labels[index])
            square = Rect(padding, middle[1] - radius, padding + 2 * radius, middle[1] + radius)
            canvas.box(square, tint, radius if layout.leading == "circle" else 2)
            initial = screen.labels[index][:1]
            canvas.text(initial, middle, (40, 40, 44), height=8, bold=True, align="center")
            start += 2 * radius + 10
        _label(canvas, screen, index, (start, slot.center[1]), theme.text, SCREEN_WIDTH - start - 34)
        x, y = SCREEN_WIDTH - padding - 10, slot.center[1]
        canvas.line([(x, y - 4), (x + 4, y), (x, y + 4)], theme.muted)
        regions[f"row {index}"] = slot
    return regions


def _form(canvas: Canvas, style: Style, screen: Screen, slots: list[Rect]) -> Regions:
    regions, padding = {}, style.layout.padding
    for index, slot in enumerate(slots):
        box = Rect(padding, slot.top + 7, SCREEN_WIDTH - padding, slot.top + 7 + FIELD_HEIGHT)
        text = screen.focus[1] if screen.focus is not None and screen.focus[0] == index else None
        text_field(canvas, style, box, screen.labels[index], text)
        if screen.fault == "overlapping text":
            _label(canvas, screen, index, (box.left + 8, box.center[1]), style.theme.text, box.width - 16)
        regions[f"field {index}"] = box
    return regions


def _settings(canvas: Canvas, style: Style, screen: Screen, slots: list[Rect]) -> Regions:
    theme, layout = style.theme, style.layout
    padding = layout.padding + (4 if layout.separator == "card" else 0)
    regions = {}
    for index, slot in enumerate(slots):
        _row_background(canvas, style, slot, is_new=False)
        x, y = SCREEN_WIDTH - padding - 18, slot.center[1]
        _label(canvas, screen, index, (padding, y), theme.text, x - padding - 18)
        switch(canvas, style, (x, y), is_on=index in screen.checked)
        regions[f"switch {index}"] = Rect(x - 18, y - 10, x + 18, y + 10)
    return regions


def _gallery(canvas: Canvas, style: Style, screen: Screen, slots: list[Rect]) -> Regions:
    theme, columns = style.theme, style.layout.num_columns
    regions, width = {}, (SCREEN_WIDTH - 12) // columns
    for index in range(len(screen.labels)):
        slot = slots[index // columns]
        left = 6 + (index % columns) * width
        box = Rect(left + 3, slot.top + 3, left + width - 3, slot.bottom - 14)
        picture(canvas, style, box, screen.labels[index])
        if index in screen.checked:
            corner = (box.right - 10, box.top + 10)
            canvas.disc(corner, 7, theme.accent)
            x, y = corner
            canvas.line([(x - 3, y), (x - 1, y + 3), (x + 4, y - 3)], theme.on_accent, 2)
        _label(canvas, screen, index, (box.left, slot.bottom - 6), theme.muted, box.width)
        regions[f"picture {index}"] = box
    return regions
