"""Draw the state of an app as an image, and the touch dot and spinner above it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipbug.synthetic import widgets
from clipbug.synthetic.canvas import Canvas, Rect
from clipbug.synthetic.contents import GAP_AROUND_BUTTON, draw_content
from clipbug.synthetic.dialogs import dialog
from clipbug.synthetic.pools import Color
from clipbug.synthetic.screen import Drawing, Screen
from clipbug.synthetic.style import SCREEN_HEIGHT, SCREEN_WIDTH, STATUS_HEIGHT, Style

DotColor = Literal["gray", "blue", "red"]

DOT_COLORS: dict[DotColor, Color] = {"gray": (128, 128, 128), "blue": (25, 90, 255), "red": (240, 20, 30)}
DOT_RADIUS = 15
WHITE: Color = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Touch:
    """A finger on the screen; `trail` has its previous positions, oldest first."""

    color: DotColor
    x: int
    y: int
    trail: tuple[tuple[int, int], ...] = ()


def draw_screen(screen: Screen, style: Style) -> Drawing:
    """Draw one state of an app."""
    image = np.empty((SCREEN_HEIGHT, SCREEN_WIDTH, 3), np.uint8)
    image[:] = style.theme.background
    canvas = Canvas(image)
    regions: dict[str, Rect] = {}
    max_scroll = 0
    area = _area(screen, style)
    if screen.fault not in ("blank page", "endless spinner"):
        max_scroll = _fill(canvas, style, screen, area, regions)
    _bars(canvas, style, screen, regions)
    if screen.has_note:
        widgets.snackbar(canvas, screen.message, area.bottom)
    if screen.has_keyboard:
        widgets.keyboard(canvas, style)
        regions = {name: box for name, box in regions.items() if box.bottom < widgets.KEYBOARD.top}
    if screen.dialog is not None:
        regions = dialog(canvas, style, screen.dialog, screen.app_name, screen.message)
    return Drawing(image, regions, max_scroll)


def _area(screen: Screen, style: Style) -> Rect:
    """Return the area between the bars."""
    top, bottom = STATUS_HEIGHT + style.layout.bar_height, SCREEN_HEIGHT
    if screen.tabs and style.layout.has_tabs_below:
        bottom -= widgets.TAB_HEIGHT
    elif screen.tabs:
        top += widgets.TAB_HEIGHT
    return Rect(0, top, SCREEN_WIDTH, bottom)


def _fill(canvas: Canvas, style: Style, screen: Screen, area: Rect, regions: dict[str, Rect]) -> int:
    """Draw content and button, add their boxes to `regions`, and return the maximum scroll in pixels."""
    half = widgets.BUTTON_HEIGHT // 2
    band = half + GAP_AROUND_BUTTON
    center = {"top": area.top + band, "middle": SCREEN_HEIGHT // 2, "bottom": area.bottom - band}[
        screen.button_position
    ]
    button = Rect(0, center - half, SCREEN_WIDTH, center + half)
    view = Rect(
        0,
        button.bottom + GAP_AROUND_BUTTON if screen.button_position == "top" else area.top,
        SCREEN_WIDTH,
        button.top - GAP_AROUND_BUTTON if screen.button_position == "bottom" else area.bottom,
    )
    boxes = draw_content(canvas, style, screen, view, button)
    last = max(box.bottom for box in boxes.values()) + screen.scroll
    max_scroll = max(0, last - view.bottom)
    if max_scroll:
        widgets.scroll_bar(canvas, style, view, min(screen.scroll, max_scroll), max_scroll)
    canvas.box(Rect(0, center - band, SCREEN_WIDTH, center + band), style.theme.background)
    regions["button"] = widgets.button(canvas, style, screen.button, center, is_pressed=screen.is_pressed)
    in_view = {name: box for name, box in boxes.items() if box.top >= view.top and box.bottom <= view.bottom}
    regions.update(
        {name: box for name, box in in_view.items() if box.bottom < button.top or box.top > button.bottom}
    )
    return max_scroll


def _bars(canvas: Canvas, style: Style, screen: Screen, regions: dict[str, Rect]) -> None:
    if screen.has_bar:
        regions["back"] = widgets.app_bar(canvas, style, screen.title)
        if screen.tabs:
            boxes = widgets.tab_bar(canvas, style, screen.tabs, screen.selected_tab)
            regions.update({f"tab {index}": box for index, box in enumerate(boxes)})
    widgets.status_bar(canvas, style, screen.clock)


def draw_touch(image: NDArray[np.uint8], touch: Touch) -> None:
    """Draw the touch dot: gray and blue dots are filled, red ones are rings; moving dots have a trail."""
    canvas, color, center = Canvas(image), DOT_COLORS[touch.color], (touch.x, touch.y)
    for age, point in enumerate(touch.trail):
        canvas.disc(point, 2 + age * (DOT_RADIUS - 4) // len(touch.trail), color)
    if touch.color == "red":
        canvas.ring(center, DOT_RADIUS, WHITE, 7)
        canvas.ring(center, DOT_RADIUS, color, 5)
        return
    canvas.disc(center, DOT_RADIUS + 2, WHITE)
    canvas.disc(center, DOT_RADIUS, color)


def draw_spinner(image: NDArray[np.uint8], style: Style, angle: float) -> None:
    """Draw the spinner at the center of the screen."""
    widgets.spinner(Canvas(image), style, (SCREEN_WIDTH // 2, SCREEN_HEIGHT // 2), angle)
