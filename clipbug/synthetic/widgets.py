"""Draw the widgets of a screen. Functions return the boxes of widgets that can be touched."""

import numpy as np

from clipbug.synthetic.canvas import Canvas, Rect
from clipbug.synthetic.pools import Color
from clipbug.synthetic.style import SCREEN_HEIGHT, SCREEN_WIDTH, STATUS_HEIGHT, Style, mix

TAB_HEIGHT = 28
BUTTON_HEIGHT = 28
KEYBOARD = Rect(0, SCREEN_HEIGHT - 122, SCREEN_WIDTH, SCREEN_HEIGHT)
KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
GREEN: Color = (56, 142, 60)


def status_bar(canvas: Canvas, style: Style, clock: str) -> None:
    """Draw the clock, signal and battery."""
    theme, middle = style.theme, STATUS_HEIGHT // 2
    filled = style.layout.has_filled_bar
    canvas.box(
        Rect(0, 0, SCREEN_WIDTH, STATUS_HEIGHT),
        mix(theme.accent, (0, 0, 0), 0.25) if filled else theme.background,
    )
    color = theme.on_accent if filled else theme.muted
    canvas.text(clock, (8, middle), color, height=6)
    canvas.polygon([(176, middle + 4), (184, middle + 4), (184, middle - 4)], color)
    canvas.box(Rect(191, middle - 4, 206, middle + 4), color, 2)
    canvas.box(Rect(206, middle - 2, 208, middle + 2), color)


def app_bar(canvas: Canvas, style: Style, title: str) -> Rect:
    """Draw the bar with the back arrow and the title; return the box of the arrow."""
    theme, layout = style.theme, style.layout
    bar = Rect(0, STATUS_HEIGHT, SCREEN_WIDTH, STATUS_HEIGHT + layout.bar_height)
    canvas.box(bar, theme.accent if layout.has_filled_bar else theme.background)
    color = theme.on_accent if layout.has_filled_bar else theme.text
    middle = bar.center[1]
    canvas.line([(18, middle - 5), (12, middle), (18, middle + 5)], color, 2)
    if layout.has_centered_title:
        canvas.text(
            title, (SCREEN_WIDTH // 2, middle), color, height=9, bold=True, align="center", max_width=150
        )
    else:
        canvas.text(title, (32, middle), color, height=9, bold=True, max_width=170)
    return Rect(4, middle - 14, 32, middle + 14)


def tab_bar(canvas: Canvas, style: Style, tabs: tuple[str, ...], selected: int) -> list[Rect]:
    """Draw tabs below the app bar or at the bottom of the screen; the selected one has the accent colour."""
    theme, layout = style.theme, style.layout
    top = SCREEN_HEIGHT - TAB_HEIGHT if layout.has_tabs_below else STATUS_HEIGHT + layout.bar_height
    canvas.box(Rect(0, top, SCREEN_WIDTH, top + TAB_HEIGHT), theme.surface)
    boxes = []
    for index, tab in enumerate(tabs):
        box = Rect(
            SCREEN_WIDTH * index // len(tabs), top, SCREEN_WIDTH * (index + 1) // len(tabs), top + TAB_HEIGHT
        )
        boxes.append(box)
        is_selected = index == selected
        if is_selected:
            canvas.box(box, theme.accent)
        color = theme.on_accent if is_selected else theme.muted
        canvas.text(tab, box.center, color, bold=is_selected, align="center", max_width=box.width - 8)
    return boxes


def button(canvas: Canvas, style: Style, label: str, center_y: int, *, is_pressed: bool) -> Rect:
    """Draw the main button of a screen, filled with the accent colour."""
    theme, margin = style.theme, style.layout.padding + 14
    top = center_y - BUTTON_HEIGHT // 2
    box = Rect(margin, top, SCREEN_WIDTH - margin, top + BUTTON_HEIGHT)
    fill = mix(theme.accent, theme.text, 0.3) if is_pressed else theme.accent
    canvas.box(box, fill, style.layout.radius)
    canvas.text(
        label, box.center, theme.on_accent, height=8, bold=True, align="center", max_width=box.width - 16
    )
    return box


def switch(canvas: Canvas, style: Style, center: tuple[int, int], *, is_on: bool) -> None:
    """Draw a switch, with its knob on the right if it is on."""
    theme, (x, y) = style.theme, center
    track = theme.accent if is_on else theme.outline
    canvas.box(Rect(x - 14, y - 7, x + 14, y + 7), track, 7)
    canvas.disc((x + 7 if is_on else x - 7, y), 5, (255, 255, 255) if is_on else theme.surface)


def text_field(canvas: Canvas, style: Style, box: Rect, label: str, text: str | None) -> None:
    """Draw a field with its label; if `text` is given, it is focused, with an accent border and a caret."""
    theme = style.theme
    has_focus = text is not None
    border = theme.accent if has_focus else theme.outline
    canvas.bordered_box(box, theme.surface, border, style.layout.radius // 2, thickness=2 if has_focus else 1)
    start, middle = box.left + 8, box.center[1]
    if text is None:
        canvas.text(label, (start, middle), theme.muted, max_width=box.width - 16)
        return
    width = canvas.text(text, (start, middle), theme.text, height=8, max_width=box.width - 20)
    canvas.box(Rect(start + width + 2, middle - 7, start + width + 4, middle + 7), theme.accent)


def keyboard(canvas: Canvas, style: Style) -> None:
    """Draw the keyboard over the lower third of the screen."""
    dark = style.theme.is_dark
    canvas.box(KEYBOARD, (44, 46, 50) if dark else (208, 212, 218))
    key, ink = ((84, 87, 92), (240, 240, 240)) if dark else ((255, 255, 255), (30, 30, 32))
    for row, letters in enumerate(KEY_ROWS):
        top = KEYBOARD.top + 6 + row * 29
        left = (SCREEN_WIDTH - 21 * len(letters)) // 2
        for column, letter in enumerate(letters):
            box = Rect(left + column * 21 + 1, top, left + column * 21 + 20, top + 25)
            canvas.box(box, key, 4)
            canvas.text(letter, box.center, ink, height=8, align="center")
    canvas.box(Rect(54, KEYBOARD.top + 93, 162, KEYBOARD.bottom - 6), key, 4)


def snackbar(canvas: Canvas, text: str, bottom: int) -> None:
    """Draw a message at the bottom, with a green check mark."""
    box = Rect(8, bottom - 36, SCREEN_WIDTH - 8, bottom - 8)
    canvas.box(box, (50, 50, 54), 4)
    x, y = box.left + 16, box.center[1]
    canvas.disc((x, y), 9, GREEN)
    canvas.line([(x - 4, y), (x - 1, y + 4), (x + 5, y - 4)], (255, 255, 255), 2)
    canvas.text(text, (x + 16, y), (240, 240, 240), max_width=box.width - 44)


def scroll_bar(canvas: Canvas, style: Style, view: Rect, scroll: int, max_scroll: int) -> None:
    """Draw the thumb of the scroll bar at the right edge."""
    length = max(20, view.height * view.height // (view.height + max_scroll))
    top = view.top + (view.height - length) * scroll // max_scroll
    canvas.box(Rect(SCREEN_WIDTH - 7, top, SCREEN_WIDTH - 1, top + length), style.theme.muted, 3)


def spinner(canvas: Canvas, style: Style, center: tuple[int, int], angle: float) -> None:
    """Draw a spinner at an angle in degrees."""
    canvas.ring(center, 22, style.theme.outline, 4)
    canvas.arc(center, 22, (angle, angle + 100), style.theme.accent, 5)


def picture(canvas: Canvas, style: Style, box: Rect, label: str) -> None:
    """Draw a landscape with sky, sun and hills in the colour of the label."""
    tint = style.theme.tint_of(label)
    canvas.box(box, mix(tint, (255, 255, 255), 0.35), style.layout.radius)
    step = np.frombuffer(label.encode(), np.uint8).sum() % 5
    canvas.disc((box.left + box.width // 4 + int(step) * 3, box.top + box.height // 3), 5, (255, 241, 170))
    foot = box.bottom - 2
    left, right = box.left + 2, box.right - 3
    peak = left + box.width // 3 + int(step) * 2
    canvas.polygon([(left, foot), (peak, box.center[1]), (right - 4, foot)], mix(tint, (0, 0, 0), 0.3))
    canvas.polygon(
        [(peak, foot), (right - box.width // 4, box.center[1] + 4), (right, foot)], mix(tint, (0, 0, 0), 0.5)
    )
