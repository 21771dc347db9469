"""Naming what was touched: by its text, else the widget, else where it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from clipbug.perception.frames import Picture
from clipbug.perception.icons import symbol_kind, widget_at
from clipbug.perception.keyboard import keyboard_top
from clipbug.perception.screens import is_chrome
from clipbug.perception.text import Line
from clipbug.perception.timeline import Box

_BAR_SHARE, _TAB_SHARE = 0.14, 0.84
_ROW_GAP = 0.35  # of a line's height; rows of a list are further apart
_STATES = {"toggle", "checkbox", "radio"}


@dataclass(frozen=True, slots=True)
class Target:
    """What was touched; `box` is that of its text."""

    name: str | None
    kind: str
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A screen just before a touch.

    Attributes:
        lines: its readable text, in pixels of the recording.
        picture: the large picture, whose pixels are `scale` of the recording's.
        width, height: of the recording.
        dialog: box of an open dialog.
        is_start: whether it is the screen that the recording begins with.
    """

    lines: Sequence[Line]
    picture: Picture
    scale: float
    width: float
    height: float
    dialog: Box | None = None
    is_start: bool = False

    @property
    def unit(self) -> float:
        """Pixels of the recording per 1/360 of a phone's width; half of that on a desktop."""
        return min(self.width, self.height) / (360 if self.height >= self.width else 640)


def name_target(place: Place, x: float, y: float) -> Target:
    """Return what is at a point, in pixels of the recording."""
    if place.dialog is not None and not _inside(place.dialog, x, y, 6 * place.unit):
        return Target("outside", "outside")
    top = keyboard_top(place.lines, place.height)
    if top is not None and y > top:
        key = _nearest(place.lines, x, y)
        return Target(key.text if key else None, "key", key.box if key else None)
    unit = place.unit
    named = [line for line in place.lines if symbol_kind(line.text) is None]
    lines = [line for line in named if not is_chrome(line, place.height)]
    hit = _under(lines, x, y, unit)
    widget = _widget(place, x, y)
    if hit is not None and not (widget in _STATES and len(hit.text) == 1):
        if widget in ("back", "menu", "close") and _is_beside(hit, x, unit):
            return Target(widget, widget)
        if _is_back_label(place, hit):
            return Target("back", "back", hit.box)
        return _text_target(place, lines, hit)
    if widget in _STATES:
        label = _label_in_row(lines, x, y, unit, place.width)
        return Target(label.text if label else widget, widget, label.box if label else None)
    if y > _TAB_SHARE * place.height:
        tab = _below(lines, x, y, unit)
        if tab is not None:
            return Target(tab.text, "tab", tab.box)
    if widget is not None:
        return Target(widget, widget)
    if y < _BAR_SHARE * place.height:
        corner = _corner(place, x)
        if corner is not None:
            return corner
    near = _near(lines, x, y, 22 * unit) or _label_in_row(lines, x, y, unit, place.width)
    if near is None:
        near = _near(lines, x, y, 40 * unit)
    if near is not None:
        return _text_target(place, lines, near)
    return Target(place_in_words(x / place.width, y / place.height), "area")


def place_in_words(x: float, y: float) -> str:
    """Return where a point is, given as shares of the sides."""
    row = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else "middle"
    column = "left" if x < 1 / 3 else "right" if x > 2 / 3 else "center"
    if row == "middle" and column == "center":
        return "middle of the screen"
    return f"{row} {column}"


def _widget(place: Place, x: float, y: float) -> str | None:
    unit = place.unit
    for line in place.lines:
        kind = symbol_kind(line.text)
        if kind is not None and _inside(line.box, x, y, 5 * unit):
            return kind
    return widget_at(place.picture, x / place.scale, y / place.scale, unit / place.scale)


def _text_target(place: Place, lines: Sequence[Line], line: Line) -> Target:
    label = _field_label(lines, line)
    if label is not None:
        return Target(label.text, "field", line.box)
    title = _row_title(lines, line)
    return Target((title or line).text, _kind_of_text(place, line), line.box)


def _kind_of_text(place: Place, line: Line) -> str:
    return "tab" if line.center[1] > 0.9 * place.height else "text"


def _is_back_label(place: Place, line: Line) -> bool:
    """Whether an arrow stands before the first label of the bar at the top, as on iOS."""
    unit = place.unit
    if line.center[1] > _BAR_SHARE * place.height or line.box[0] > 0.16 * place.width:
        return False
    x, y = line.box[0] - 7 * unit, line.center[1]
    return x > 0 and widget_at(place.picture, x / place.scale, y / place.scale, unit / place.scale) == "back"


def _corner(place: Place, x: float) -> Target | None:
    """Return the usual button at an end of the app bar."""
    if x < 0.16 * place.width:
        return Target("menu", "menu") if place.is_start else Target("back", "back")
    if x > 0.86 * place.width:
        return Target("menu", "menu")
    return None


def _inside(box: Box, x: float, y: float, margin: float) -> bool:
    return box[0] - margin <= x <= box[2] + margin and box[1] - margin <= y <= box[3] + margin


def _under(lines: Sequence[Line], x: float, y: float, unit: float) -> Line | None:
    hits = [line for line in lines if _inside(line.box, x, y, 4 * unit)]
    return min(hits, key=lambda line: abs(line.center[1] - y), default=None)


def _above(lines: Sequence[Line], line: Line, gap: float) -> Line | None:
    """Return the line that begins at the same left edge, no more than `gap` line heights above."""
    found = [
        other
        for other in lines
        if abs(other.box[0] - line.box[0]) < 0.6 * line.height
        and -0.4 * line.height <= line.box[1] - other.box[3] <= gap * line.height
    ]
    return max(found, key=lambda other: other.box[3], default=None)


def _field_label(lines: Sequence[Line], hit: Line) -> Line | None:
    """Return the label over a field whose placeholder repeats it ("Name" over "Your name")."""
    label = _above(lines, hit, 1.6)
    if label is None or len(label.text) >= len(hit.text) or not label.text[0].isalnum():
        return None
    return label if _shares_word(label, hit) else None


def _shares_word(one: Line, other: Line) -> bool:
    words = [word for word in one.text.lower().split() if len(word) > 2]
    return any(get_close_matches(word, other.text.lower().split(), n=1, cutoff=0.8) for word in words)


def _row_title(lines: Sequence[Line], hit: Line) -> Line | None:
    """Return the title of a list row whose second line was hit: larger and just above it."""
    title = _above(lines, hit, _ROW_GAP)
    is_last = all(_above(lines, other, _ROW_GAP) is not hit for other in lines)
    if title is None or not is_last or not title.text[0].isalnum():
        return None
    return title if title.height >= 1.06 * hit.height else None


def _is_beside(line: Line, x: float, unit: float) -> bool:
    """Whether the point is at the very start of a line, where an icon stands."""
    return x < line.box[0] + 6 * unit or x > line.box[2] - 2 * unit


def _distance(line: Line, x: float, y: float) -> float:
    dx = max(line.box[0] - x, 0.0, x - line.box[2])
    dy = max(line.box[1] - y, 0.0, y - line.box[3])
    return float(np.hypot(dx, 1.6 * dy))


def _nearest(lines: Sequence[Line], x: float, y: float) -> Line | None:
    return min(lines, key=lambda line: float(np.hypot(line.center[0] - x, line.center[1] - y)), default=None)


def _near(lines: Sequence[Line], x: float, y: float, reach: float) -> Line | None:
    best = min(lines, key=lambda line: _distance(line, x, y), default=None)
    return best if best is not None and _distance(best, x, y) <= reach else None


def _label_in_row(lines: Sequence[Line], x: float, y: float, unit: float, width: float) -> Line | None:
    """Return the label of the row: the nearest line at this height."""
    row = [line for line in lines if line.box[1] - 5 * unit <= y <= line.box[3] + 5 * unit]
    return min(row, key=lambda line: _distance(line, x, y), default=None)


def _below(lines: Sequence[Line], x: float, y: float, unit: float) -> Line | None:
    """Return the label right under an icon."""
    low = [
        line
        for line in lines
        if -2 * unit <= line.box[1] - y <= 30 * unit
        and line.box[0] - 14 * unit <= x <= line.box[2] + 14 * unit
    ]
    return min(low, key=lambda line: line.box[1], default=None)
