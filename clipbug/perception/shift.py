"""How the content of a screen has moved between two moments: scrolled lists and pages."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_COLUMNS = 64
_MIN_SHIFT = 4
_MAX_SHARE = 0.85
_SAME_LEVELS = 8.0
_MIN_TEXTURE = 6.0
_MIN_MATCH, _MIN_GAIN = 0.72, 0.30
_MIN_ROWS = 12


@dataclass(frozen=True, slots=True)
class Shift:
    """Content that was at (x, y) is at (x + dx, y + dy) later, in small pixels.

    Attributes:
        top, bottom: the rows (or for a sideways shift the columns) between which it moved.
        match: share of the moved rows that are found again.
    """

    dx: int
    dy: int
    top: int
    bottom: int
    match: float


def find_shift(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Shift | None:
    """Return the vertical shift between two luma pictures (h, w), or else the sideways one; None if neither.

    Rows of text are compared with rows of text at each distance; bars that stay are left out.
    """
    found = _along_rows(before, after)
    if found is not None:
        dy, top, bottom, match = found
        return Shift(0, dy, top, bottom, match)
    found = _along_rows(before.T, after.T)
    if found is not None:
        dx, top, bottom, match = found
        return Shift(dx, 0, top, bottom, match)
    return None


def _along_rows(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[int, int, int, float] | None:
    a, b = _narrow(before), _narrow(after)
    changed = np.flatnonzero(np.abs(a - b).mean(axis=1) > _SAME_LEVELS / 2)
    if len(changed) < _MIN_ROWS:
        return None
    top, bottom = int(changed[0]), int(changed[-1]) + 1
    a, b = a[top:bottom], b[top:bottom]
    textured = b.std(axis=1) > _MIN_TEXTURE
    if np.count_nonzero(textured) < _MIN_ROWS or np.count_nonzero(a.std(axis=1) > _MIN_TEXTURE) < _MIN_ROWS:
        return None
    rows = len(a)
    still = _match(a, b, textured)
    best, best_match = 0, 0.0
    for distance in range(_MIN_SHIFT, int(_MAX_SHARE * rows)):
        for dy in (distance, -distance):
            low, high = max(0, dy), min(rows, rows + dy)
            seen = textured[low:high]
            if np.count_nonzero(seen) < max(_MIN_ROWS, 0.25 * np.count_nonzero(textured)):
                continue
            match = _match(a[low - dy : high - dy], b[low:high], seen)
            if match > best_match + 0.02:
                best, best_match = dy, match
    if best_match < _MIN_MATCH or best_match < still + _MIN_GAIN:
        return None
    return best, top, bottom, best_match


def _narrow(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    height = picture.shape[0]
    upright = np.ascontiguousarray(picture)
    return cv2.resize(upright, (_COLUMNS, height), interpolation=cv2.INTER_AREA).astype(np.float32)


def _match(a: NDArray[np.float32], b: NDArray[np.float32], seen: NDArray[np.bool_]) -> float:
    """Return the share of the rows `seen` that are alike."""
    difference = np.abs(a - b).mean(axis=1)[seen]
    return float((difference < _SAME_LEVELS).mean()) if len(difference) else 0.0
