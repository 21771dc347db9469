"""Naming small widgets that carry no text, by comparing their shape with drawn ones."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import Picture

_SIDE = 24
_MIN_LIKENESS = 0.74
_INK_LEVELS = 45
_MIN_INK, _MAX_INK = 0.04, 0.75
_SYMBOLS = {
    "≡": "menu",
    "☰": "menu",
    "三": "menu",
    "⋮": "more",
    "…": "more",
    "×": "close",
    "✕": "close",
    "✖": "close",
    "X": "close",
    "x": "close",
    "+": "plus",
    "＋": "plus",
    "←": "back",
    "‹": "back",
    "〈": "back",
    "<": "back",
    "く": "back",
    "Q": "search",
    "🔍": "search",
    "✓": "checkbox",
    "☐": "checkbox",
    "☑": "checkbox",
    "□": "checkbox",
    "口": "checkbox",
    "O": "radio",
    "○": "radio",
    "◯": "radio",
    "●": "radio",
}


def symbol_kind(text: str) -> str | None:
    """Return the widget that the text models take for a letter, such as "close" for "X"."""
    return _SYMBOLS.get(text)


def widget_at(picture: Picture, x: float, y: float, unit: float) -> str | None:
    """Return the kind of the widget without text at a point.

    Args:
        picture: large RGB picture (H, W, 3).
        x, y: the point, in its pixels.
        unit: pixels of the picture per 1/360 of a phone's width.
    """
    patch, center = _patch(picture, x, y, 30 * unit)
    if patch is None:
        return None
    return _toggle(patch, center, unit) or _box_or_ring(patch, center, unit) or _icon(patch, center, unit)


def _patch(
    picture: Picture, x: float, y: float, reach: float
) -> tuple[NDArray[np.uint8] | None, tuple[float, float]]:
    height, width = picture.shape[:2]
    left, top = int(max(0, x - reach)), int(max(0, y - reach))
    right, bottom = int(min(width, x + reach + 1)), int(min(height, y + reach + 1))
    if right - left < 12 or bottom - top < 12:
        return None, (0.0, 0.0)
    patch = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    return patch, (x - left, y - top)


def _outlines(patch: NDArray[np.uint8]) -> list[tuple[tuple[int, int, int, int], float, float]]:
    """Return box, filled share of the box and roundness of each closed outline."""
    edges = cv2.dilate(cv2.Canny(patch, 24, 70), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(edges, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        area, length = cv2.contourArea(contour), cv2.arcLength(contour, True)
        if width < 6 or height < 6 or length == 0:
            continue
        found.append(((x, y, width, height), area / (width * height), 4 * np.pi * area / length**2))
    return found


def _holds(box: tuple[int, int, int, int], center: tuple[float, float], margin: float) -> bool:
    x, y, width, height = box
    return x - margin <= center[0] <= x + width + margin and y - margin <= center[1] <= y + height + margin


def _toggle(patch: NDArray[np.uint8], center: tuple[float, float], unit: float) -> str | None:
    """Recognize a pill about twice as wide as high."""
    for box, filled, _ in _outlines(patch):
        _, _, width, height = box
        is_pill = 1.4 <= width / height <= 2.4 and 12 * unit <= height <= 36 * unit and filled > 0.7
        if is_pill and _holds(box, center, 4 * unit):
            return "toggle"
    return None


def _box_or_ring(patch: NDArray[np.uint8], center: tuple[float, float], unit: float) -> str | None:
    for box, filled, roundness in _outlines(patch):
        _, _, width, height = box
        if not (0.85 <= width / height <= 1.18 and 11 * unit <= height <= 30 * unit and filled > 0.6):
            continue
        if not _holds(box, center, 8 * unit):
            continue
        if filled > 0.84:  # a circle fills 0.79 of its box
            return "checkbox"
        if roundness > 0.8:
            return "radio"
    return None


def _icon(patch: NDArray[np.uint8], center: tuple[float, float], unit: float) -> str | None:
    """Return the drawn icon that is most similar."""
    paper = float(np.median(patch))
    ink = (np.abs(patch.astype(np.int16) - paper) > _INK_LEVELS).astype(np.uint8)
    joined = cv2.dilate(ink, np.ones((3, 3), np.uint8), iterations=max(1, round(2 * unit)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    best: tuple[float, str | None] = (_MIN_LIKENESS, None)
    for number in range(1, count):
        x, y, width, height = stats[number][:4]
        large = max(width, height)
        if not (8 * unit <= large <= 34 * unit) or not _holds((x, y, width, height), center, 9 * unit):
            continue
        mask = (ink & (labels == number))[y : y + height, x : x + width]
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows) < 3 or len(columns) < 2:
            continue
        shape = _normal(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        for name, template in _templates():
            likeness = float((shape * template).sum())
            if likeness > best[0]:
                best = likeness, name
    return best[1]


def _normal(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a mask fitted into a square, softened and of unit length."""
    height, width = mask.shape
    side = max(height, width)
    square = np.zeros((side, side), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = mask
    small = cv2.resize(square.astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), 1.3)
    soft = soft - soft.mean()
    return np.asarray(soft / (np.linalg.norm(soft) + 1e-6), np.float32)


@cache
def _templates() -> tuple[tuple[str, NDArray[np.float32]], ...]:
    """Return the drawn icons, each in two weights."""
    lines: dict[str, list[list[tuple[tuple[int, int], tuple[int, int]]]]] = {
        "menu": [[((0, 20), (96, 20)), ((0, 48), (96, 48)), ((0, 76), (96, 76))]],
        "plus": [[((48, 0), (48, 96)), ((0, 48), (96, 48))]],
        "close": [[((0, 0), (96, 96)), ((0, 96), (96, 0))]],
        "back": [
            [((0, 48), (96, 48)), ((0, 48), (48, 0)), ((0, 48), (48, 96))],
            [((50, 0), (0, 48)), ((0, 48), (50, 96))],
        ],
        "forward": [[((0, 0), (50, 48)), ((50, 48), (0, 96))]],
        "checkbox": [[((0, 50), (34, 84)), ((34, 84), (96, 20))]],
    }
    drawn = [(name, strokes) for name, several in lines.items() for strokes in several]
    found = [(name, _drawn(strokes, weight)) for name, strokes in drawn for weight in (9, 15)]
    for radius in (9, 12):
        found.append(("more", _dots([(48, 12), (48, 48), (48, 84)], radius)))
        found.append(("more", _dots([(12, 48), (48, 48), (84, 48)], radius)))
    for weight in (9, 14):
        glass = np.zeros((110, 110), np.uint8)
        cv2.circle(glass, (44, 44), 32, 1, weight)
        cv2.line(glass, (66, 66), (100, 100), 1, weight)
        found.append(("search", _normal(_cut(glass))))
    return tuple(found)


def _drawn(strokes: list[tuple[tuple[int, int], tuple[int, int]]], weight: int) -> NDArray[np.float32]:
    canvas = np.zeros((120, 120), np.uint8)
    for start, end in strokes:
        cv2.line(canvas, (start[0] + 12, start[1] + 12), (end[0] + 12, end[1] + 12), 1, weight)
    return _normal(_cut(canvas))


def _dots(centers: list[tuple[int, int]], radius: int) -> NDArray[np.float32]:
    canvas = np.zeros((120, 120), np.uint8)
    for x, y in centers:
        cv2.circle(canvas, (x + 12, y + 12), radius, 1, -1)
    return _normal(_cut(canvas))


def _cut(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
