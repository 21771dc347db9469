"""Where touch marks and pointers appear or move to, frame by frame."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import FrameStore, Picture
from clipbug.perception.touch_network import Peak, find_peaks

_APART_SECONDS = 0.3
_SAMPLE_SECONDS = 0.062
_BUSY_SAMPLE_SECONDS = 0.12
_BUSY_SHARE = 0.25
_CHANGED_LEVELS = 10
_MIN_CHANGED_PIXELS = 5
_THRESHOLD = 0.3
_REACH = 24
_RIM_SHARE = 0.4
_MIN_CONTRAST = 6.0
_GONE_SHARE = 0.4
_CARET_WIDTH, _CARET_HEIGHT = 3, 7


@dataclass(frozen=True, slots=True)
class Spot:
    """A mark in one frame, in small pixels.

    Attributes:
        frame: its index.
        before: the frame that it was compared with, in which the mark is not there.
        score: 0 to 1.
        radius: of what differs from the frame before.
        color: mean RGB of the mark.
        tint: how much redder than green and bluer than both it is than what it covers, in levels.
        hollow: 0 for a disc, 1 for a ring in which nothing differs.
    """

    frame: int
    before: int
    x: float
    y: float
    score: float
    radius: float
    color: tuple[float, float, float]
    tint: tuple[float, float]
    hollow: float


@dataclass(frozen=True, slots=True)
class Spots:
    """All spots of a recording, in order of time."""

    touches: list[Spot]
    pointers: list[Spot]


def find_spots(frames: FrameStore) -> Spots:
    """Return where marks and pointers appear or move to.

    Only frames that differ from what was shown 0.3 s before are looked at, and only where they differ.
    """
    touches: list[Spot] = []
    pointers: list[Spot] = []
    last = -1.0
    for index in range(1, len(frames)):
        seconds = float(frames.seconds[index])
        if seconds - last < _SAMPLE_SECONDS - 1e-3:
            continue
        before, after = neighbours(frames, index)
        box, share = _changed_box(frames.small(before), frames.small(index))
        if box is None or (share > _BUSY_SHARE and seconds - last < _BUSY_SAMPLE_SECONDS - 1e-3):
            continue
        last = seconds
        pictures = frames.small(before), frames.small(index), frames.small(after)
        found = find_peaks(*pictures, box, threshold=_THRESHOLD)
        touches.extend(_measured(pictures, index, before, peak) for peak in found[0])
        pointers.extend(_measured(pictures, index, before, peak) for peak in found[1])
    kept = [spot for spot in touches if spot.radius > 0 and not _has_gone(frames, spot)]
    return Spots(kept, pointers)


def neighbours(frames: FrameStore, index: int) -> tuple[int, int]:
    """Return the frames that a frame is compared with: 0.3 s before and after it, or the file's own step."""
    seconds = float(frames.seconds[index])
    before = min(index - 1, frames.index_at(seconds - _APART_SECONDS))
    after = min(len(frames) - 1, max(index + 1, frames.index_at(seconds + _APART_SECONDS)))
    return max(0, before), after


def patch(picture: Picture, x: float, y: float, reach: float) -> NDArray[np.int16]:
    """Return the square around a place, cut at the edges of the picture."""
    size = max(2, round(reach))
    column, row = (
        min(max(0, round(value)), side - 1) for value, side in ((x, picture.shape[1]), (y, picture.shape[0]))
    )
    return picture[max(0, row - size) : row + size + 1, max(0, column - size) : column + size + 1].astype(
        np.int16
    )


def _has_gone(frames: FrameStore, spot: Spot) -> bool:
    """Whether the place of a spot now looks as it did before the frame that it was compared with."""
    earlier = frames.small(neighbours(frames, spot.before)[0])
    first = patch(earlier, spot.x, spot.y, spot.radius)
    before = patch(frames.small(spot.before), spot.x, spot.y, spot.radius)
    now = patch(frames.small(spot.frame), spot.x, spot.y, spot.radius)
    return bool(np.abs(now - first).mean() < _GONE_SHARE * np.abs(before - first).mean())


def _changed_box(before: Picture, now: Picture) -> tuple[tuple[int, int, int, int] | None, float]:
    """Return the box round what differs, and the share of the picture that does."""
    if before is now:
        return None, 0.0
    changed = cv2.absdiff(before, now).max(axis=2) > _CHANGED_LEVELS
    count = int(np.count_nonzero(changed))
    if count < _MIN_CHANGED_PIXELS:
        return None, 0.0
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return box, count / changed.size


def _measured(pictures: tuple[Picture, Picture, Picture], index: int, before: int, peak: Peak) -> Spot:
    """Return a spot with its size and colour; the radius is 0 where there is nothing, or a caret."""
    before_part, now, after_part = (patch(picture, peak.x, peak.y, _REACH) for picture in pictures)
    since = np.abs(now - before_part).max(axis=2)
    until = np.abs(now - after_part).max(axis=2)
    left, top = max(0, round(peak.x) - _REACH), max(0, round(peak.y) - _REACH)
    rows, columns = np.mgrid[top : top + since.shape[0], left : left + since.shape[1]]
    distance = np.round(np.hypot(columns - peak.x, rows - peak.y)).astype(np.int64)
    both = np.minimum(since, until)
    near = distance <= 4
    difference = both if both[near].mean() > 0.4 * since[near].mean() else since
    radius, contrast = _radius(difference, distance)
    middle = float(difference[distance <= max(1, radius * 0.4)].mean())
    ink = (difference >= 0.5 * contrast) & (distance <= radius + 1)
    if contrast < _MIN_CONTRAST or _is_caret(ink):
        radius = 0.0
    color = now[ink].mean(axis=0) if ink.any() else now[near].mean(axis=0)
    red, green, blue = (float(value) for value in color)
    change = (now - before_part)[ink].mean(axis=0) if ink.any() else np.zeros(3)
    return Spot(
        frame=index,
        before=before,
        x=peak.x,
        y=peak.y,
        score=peak.score,
        radius=radius,
        color=(red, green, blue),
        tint=(float(change[0] - change[1]), float(change[2] - (change[0] + change[1]) / 2)),
        hollow=1 - middle / max(contrast, 1.0),
    )


def _radius(difference: NDArray[np.int16], distance: NDArray[np.int64]) -> tuple[float, float]:
    """Return how far the difference reaches from the middle, and how strong it is."""
    size = _REACH + 1
    inside = distance < size
    counts = np.bincount(distance[inside], minlength=size)
    profile = np.bincount(distance[inside], weights=difference[inside], minlength=size) / np.maximum(
        counts, 1
    )
    peak = int(np.argmax(profile[: _REACH - 2]))
    below = np.flatnonzero(profile[peak:] < _RIM_SHARE * profile[peak])
    reach = peak + (int(below[0]) if len(below) else size - peak) - 0.5
    return float(reach), float(profile[peak])


def _is_caret(ink: NDArray[np.bool_]) -> bool:
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0:
        return True
    return bool(columns[-1] - columns[0] < _CARET_WIDTH and rows[-1] - rows[0] + 1 >= _CARET_HEIGHT)
