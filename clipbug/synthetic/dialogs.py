"""Draw dialogs over a darkened screen. Their texts belong to the system and are the same in every app."""

from dataclasses import dataclass

from clipbug.synthetic.canvas import Canvas, Rect
from clipbug.synthetic.pools import Color
from clipbug.synthetic.screen import DialogKind
from clipbug.synthetic.style import SCREEN_HEIGHT, SCREEN_WIDTH, Style

RED: Color = (211, 47, 47)
BLUE: Color = (30, 110, 220)
AMBER: Color = (240, 160, 0)
BUTTON_ROW = 32


@dataclass(frozen=True, slots=True)
class _Wording:
    title: str
    buttons: tuple[str, ...]
    is_stacked: bool


WORDINGS: dict[DialogKind, _Wording] = {
    "information": _Wording("Good to know", ("OK",), is_stacked=False),
    "error": _Wording("Error", ("OK",), is_stacked=False),
    "confirm": _Wording("Are you sure?", ("Cancel", "OK"), is_stacked=False),
    "permission": _Wording("Allow access?", ("Allow", "Deny"), is_stacked=True),
    "crash": _Wording("keeps stopping", ("Close app",), is_stacked=True),
}


def dialog(canvas: Canvas, style: Style, kind: DialogKind, app_name: str, message: str) -> dict[str, Rect]:
    """Draw a dialog over the canvas and return the boxes of its buttons as "dialog 0" ..."""
    theme, wording = style.theme, WORDINGS[kind]
    canvas.shade(Rect(0, 0, SCREEN_WIDTH, SCREEN_HEIGHT), (0, 0, 0), 0.92 if kind == "crash" else 0.55)
    rows = len(wording.buttons) if wording.is_stacked else 1
    height = 92 + rows * BUTTON_ROW
    top = (SCREEN_HEIGHT - height) // 2
    box = Rect(20, top, SCREEN_WIDTH - 20, top + height)
    canvas.box(box, theme.surface, 4 + style.layout.radius)
    middle = SCREEN_WIDTH // 2
    _icon(canvas, kind, (middle, top + 24))
    title = f"{app_name} {wording.title}" if kind == "crash" else wording.title
    canvas.text(title, (middle, top + 54), theme.text, height=9, bold=True, align="center", max_width=160)
    canvas.text(message, (middle, top + 72), theme.muted, align="center", max_width=160)
    area = Rect(box.left + 10, top + 86, box.right - 10, box.bottom - 8)
    return _buttons(canvas, style, wording, area)


def _buttons(canvas: Canvas, style: Style, wording: _Wording, area: Rect) -> dict[str, Rect]:
    regions, count = {}, len(wording.buttons)
    for index, label in enumerate(wording.buttons):
        if wording.is_stacked:
            top = area.top + index * BUTTON_ROW
            box = Rect(area.left, top + 2, area.right, top + BUTTON_ROW - 2)
            canvas.bordered_box(box, style.theme.surface, style.theme.accent, style.layout.radius)
        else:
            width = area.width // 2
            left = area.right - (count - index) * width
            box = Rect(left, area.top + 2, left + width, area.top + BUTTON_ROW - 2)
        canvas.text(label, box.center, style.theme.accent, height=8, bold=True, align="center")
        regions[f"dialog {index}"] = box
    return regions


def _icon(canvas: Canvas, kind: DialogKind, center: tuple[int, int]) -> None:
    x, y = center
    white: Color = (255, 255, 255)
    if kind == "error":
        canvas.disc(center, 14, RED)
        canvas.box(Rect(x - 1, y - 8, x + 2, y + 3), white)
        canvas.box(Rect(x - 1, y + 5, x + 2, y + 8), white)
    elif kind == "crash":
        canvas.polygon([(x - 17, y + 13), (x, y - 16), (x + 17, y + 13)], AMBER)
        canvas.line([(x - 5, y - 1), (x + 5, y + 9)], (20, 20, 20), 2)
        canvas.line([(x + 5, y - 1), (x - 5, y + 9)], (20, 20, 20), 2)
    elif kind == "permission":
        canvas.box(Rect(x - 12, y - 4, x + 12, y + 14), BLUE, 3)
        canvas.ring((x, y - 5), 8, BLUE, 3)
        canvas.disc((x, y + 4), 3, white)
    else:
        canvas.ring(center, 13, BLUE, 3)
        canvas.text("?" if kind == "confirm" else "i", center, BLUE, height=13, bold=True, align="center")
