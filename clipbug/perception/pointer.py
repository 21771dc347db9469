"""The mouse pointer: one object that is there all the time, and clicks where something answers it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import FrameStore
from clipbug.perception.touch_spots import Spot

_MIN_SCORE, _MIN_BUSY_SCORE = 0.4, 0.6
_BUSY_SHARE = 0.05
_MIN_SPOTS = 4
_MIN_CELLS = 7
_CELL = 12.0
_MIN_SPREAD_SHARE = 0.25
_SHAPE = (-2, -2, 9, 13)  # left, top, right, bottom of an arrow round its tip
_MIN_LIKENESS = 0.28
_COMPARED = 14
_SURE_SCORE = 0.7
_FLAT_LEVELS = 4.0
_REST_SHARE = 0.04
_NEAR_SHARE = 0.14
_OWN_PIXELS = 16
_QUIET_SECONDS = 0.28
_CLICKS_APART_SECONDS = 0.6
_EFFECT_SECONDS = 2.6
_CHANGED_LEVELS = 16
_QUIET_SHARE = 0.0006
_CALM_SHARE = 0.15
_LOCAL_SHARE = 0.0015
_PAGE_SHARE = 0.03
_THIN_SHARE = 0.015


@dataclass(frozen=True, slots=True)
class Pointer:
    """A mouse pointer's way, in small pixels.

    Attributes:
        frames: (P,) in which it has moved, in order.
        places: (P, 2) where it then was; it rests there until the next.
    """

    frames: NDArray[np.int64]
    places: NDArray[np.float64]

    def at(self, frame: int) -> tuple[float, float]:
        """Return where it is in a frame; before it first moves, where it is first seen."""
        index = max(0, int(np.searchsorted(self.frames, frame, side="right")) - 1)
        x, y = self.places[index]
        return float(x), float(y)

    def is_near(self, frame: int, x: float, y: float, reach: float) -> bool:
        """Return whether it is near a place in a frame or right before and after it."""
        close = np.abs(self.frames - frame) <= 3
        places = np.concatenate([self.places[close], [self.at(frame)]])
        return bool((np.hypot(places[:, 0] - x, places[:, 1] - y) < reach).any())


@dataclass(frozen=True, slots=True)
class Click:
    """A click that nothing shows but what it did."""

    frame: int
    x: float
    y: float


def find_pointer(frames: FrameStore, spots: Sequence[Spot]) -> Pointer | None:
    """Return the mouse pointer if the spots are those of one object that looks the same wherever it goes."""
    best: dict[int, Spot] = {}
    for spot in spots:
        is_busy = frames.changed[spot.frame] > _BUSY_SHARE
        if spot.score < (_MIN_BUSY_SCORE if is_busy else _MIN_SCORE):
            continue
        if spot.frame not in best or best[spot.frame].score < spot.score:
            best[spot.frame] = spot
    way, likeness = _alike(frames, [best[frame] for frame in sorted(best)])
    if len(way) < _MIN_SPOTS or likeness < _MIN_LIKENESS:
        return None
    places = np.array([(spot.x, spot.y) for spot in way])
    cells = np.unique((places // _CELL).astype(np.int64), axis=0)
    spread = np.quantile(places, 0.9, axis=0) - np.quantile(places, 0.1, axis=0)
    is_wide = float(spread.max()) >= _MIN_SPREAD_SHARE * min(frames.sizes.small)
    if len(cells) < _MIN_CELLS or not is_wide:
        return None
    return Pointer(np.array([spot.frame for spot in way], np.int64), places)


def find_clicks(frames: FrameStore, pointer: Pointer) -> list[Click]:
    """Return the clicks: the pointer rests, and what was still begins to change under it, or a page opens."""
    short = min(frames.sizes.small)
    shares, near = _changes(frames, pointer)
    clicks: list[Click] = []
    effect: tuple[float, float, float] | None = None
    for index in range(1, len(frames)):
        if not (near[index] > _LOCAL_SHARE or shares[index] > _PAGE_SHARE) or not _was_quiet(
            frames, shares, index
        ):
            continue
        x, y = pointer.at(index - 1)
        now = pointer.at(index)
        if np.hypot(now[0] - x, now[1] - y) > _REST_SHARE * short:
            continue
        seconds = float(frames.seconds[index])
        if clicks and seconds - float(frames.seconds[clicks[-1].frame]) < _CLICKS_APART_SECONDS:
            continue
        is_page = shares[index] > _PAGE_SHARE
        if is_page and effect and seconds - effect[0] < _EFFECT_SECONDS and _is_there(effect, x, y, short):
            effect = seconds, x, y  # what the last click has set off goes on
            continue
        effect = seconds, x, y
        clicks.append(Click(index, x, y))
    return clicks


def _is_there(place: tuple[float, float, float], x: float, y: float, short: int) -> bool:
    return bool(np.hypot(place[1] - x, place[2] - y) <= _REST_SHARE * short)


def thinned_way(frames: FrameStore, pointer: Pointer) -> list[tuple[float, float, float]]:
    """Return (seconds, x, y) in pixels of the recording, without the points that add nothing."""
    reach = _THIN_SHARE * min(frames.width, frames.height)
    way: list[tuple[float, float, float]] = []
    for frame, (x, y) in zip(pointer.frames, pointer.places * frames.scale, strict=True):
        point = float(frames.seconds[frame]), float(x), float(y)
        if not way or np.hypot(x - way[-1][1], y - way[-1][2]) > reach:
            way.append(point)
    return way


def _changes(frames: FrameStore, pointer: Pointer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each frame the shares that change in all and near the pointer, without its own pixels."""
    height, width = frames.sizes.small
    reach = _NEAR_SHARE * min(height, width)
    shares, near = np.zeros(len(frames)), np.zeros(len(frames))
    for index in range(1, len(frames)):
        before, now = frames.luma(index - 1), frames.luma(index)
        if before is now:
            continue
        changed = cv2.absdiff(before, now) > _CHANGED_LEVELS
        for place in (pointer.at(index - 1), pointer.at(index)):
            left, top = (max(0, round(value) - _OWN_PIXELS // 3) for value in place)
            changed[top : round(place[1]) + _OWN_PIXELS, left : round(place[0]) + _OWN_PIXELS] = False
        shares[index] = np.count_nonzero(changed) / changed.size
        x, y = pointer.at(index - 1)
        rows = slice(max(0, round(y - reach)), round(y + reach) + 1)
        part = changed[rows, max(0, round(x - reach)) : round(x + reach) + 1]
        near[index] = np.count_nonzero(part) / changed.size
    return shares, near


def _was_quiet(frames: FrameStore, shares: NDArray[np.float64], index: int) -> bool:
    """Return whether little changed before, compared with what begins to change now."""
    seconds = float(frames.seconds[index])
    start = frames.index_at(seconds - _QUIET_SECONDS) + 1
    peak = float(shares[index : frames.index_at(seconds + _QUIET_SECONDS) + 1].max())
    return bool((shares[start:index] <= max(_QUIET_SHARE, _CALM_SHARE * peak)).all())


def _alike(frames: FrameStore, way: Sequence[Spot]) -> tuple[list[Spot], float]:
    """Return the spots that look like the surest ones, and how much these look like each other.

    The likeness is the median correlation of their brightness: a pointer is the same wherever it goes.
    """
    parts = {spot: part for spot in way if (part := _shape(frames, spot)) is not None}
    surest = sorted(parts, key=lambda spot: -spot.score)[:_COMPARED]
    if len(surest) < _MIN_SPOTS - 1:
        return [], 0.0
    sample = np.array([parts[spot] for spot in surest])
    table = sample @ sample.T / sample.shape[1]
    likeness = float(np.median(np.abs(table[np.triu_indices(len(sample), 1)])))
    usual = sample.mean(axis=0)
    usual /= max(float(usual.std()), 1e-6)
    kept = [
        spot
        for spot in way
        if spot.score >= _SURE_SCORE or spot not in parts or parts[spot] @ usual / usual.size >= _MIN_LIKENESS
    ]
    return kept, likeness


def _shape(frames: FrameStore, spot: Spot) -> NDArray[np.float64] | None:
    """Return the brightness around a spot, with mean 0 and deviation 1; None at an edge or where flat."""
    left, top, right, bottom = _SHAPE
    height, width = frames.sizes.small
    x, y = round(spot.x), round(spot.y)
    if x + left < 0 or y + top < 0 or x + right > width or y + bottom > height:
        return None
    part = frames.luma(spot.frame)[y + top : y + bottom, x + left : x + right].astype(np.float64).ravel()
    return (part - part.mean()) / part.std() if part.std() > _FLAT_LEVELS else None
