"""Where a finger or a mouse touched: the marks that a recorder or system draws over the screen."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np

from clipbug.perception.frames import FrameStore
from clipbug.perception.pointer import (
    Click,
    Pointer,
    find_clicks,
    find_pointer,
    thinned_way,
)
from clipbug.perception.timeline import Indicator
from clipbug.perception.touch_spots import find_spots
from clipbug.perception.touch_tracks import Track, agreeing, find_tracks, is_indicator, one_at_a_time, passing

TouchKind = Literal["tap", "double_tap", "long_press", "swipe"]
Point = tuple[float, float, float]
"""(seconds, x, y), in pixels of the recording."""

_SWIPE_SHARE = 0.08
_LONG_SECONDS = 0.7
_DOUBLE_SECONDS = 0.3
_DOUBLE_SHARE = 0.04
_RING_REACH_SHARE = 0.08
_MIN_RINGS = 2
_RINGS_SHARE = 0.6
_CLEAR_RING_SCORE = 0.58
_CLICK_CONFIDENCE = 0.6
_HOLLOW = 0.5
_HUES = (
    *((7, "red"), (20, "orange"), (35, "yellow"), (85, "green"), (95, "teal"), (125, "blue")),
    *((148, "purple"), (168, "pink"), (180, "red")),
)
"""Up to which hue (OpenCV's 0 to 180) a colour has which name."""


@dataclass(frozen=True, slots=True)
class Touch:
    """One touch, as its mark shows it.

    Attributes:
        time, end: seconds of its first and last frame.
        x, y: where it began, in pixels of the recording.
        path: where it went; at least its first point.
    """

    time: float
    end: float
    x: float
    y: float
    kind: TouchKind
    confidence: float
    path: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundTouches:
    """All touches of a recording, in order of time.

    Attributes:
        indicator: the kind of mark; "none" if the recording shows none.
        indicator_color: name of the mark's colour.
        pointer: the way of a mouse pointer, thinned out; empty if there is none.
    """

    touches: list[Touch] = field(default_factory=list)
    indicator: Indicator = "none"
    indicator_color: str | None = None
    pointer: tuple[Point, ...] = ()


def find_touches(frames: FrameStore) -> FoundTouches:
    """Return the touches whose marks are seen.

    Args:
        frames: the recording. Its small pictures (`frames.small(index)`, RGB, short side 192 or less) are
            there for every frame; multiply their pixels by `frames.scale` to get those of the recording.
    """
    spots = find_spots(frames)
    tracks = find_tracks(frames, spots.touches)
    pointer = find_pointer(frames, spots.pointers)
    if pointer is not None:
        return _clicked(frames, pointer, tracks)
    kept = one_at_a_time(frames, agreeing(passing(frames, tracks)))
    if not is_indicator(kept):
        return FoundTouches()
    touches = _with_double_taps([_touch(frames, track) for track in kept], frames)
    return FoundTouches(touches, _indicator(kept), _color_name(kept))


def _clicked(frames: FrameStore, pointer: Pointer, tracks: Sequence[Track]) -> FoundTouches:
    """Return the clicks of a mouse: its rings where the recorder draws them, else what changes under it."""
    way = tuple(thinned_way(frames, pointer))
    reach = _RING_REACH_SHARE * min(frames.sizes.small)
    rings = [
        track
        for track in passing(frames, tracks)
        if pointer.is_near(track.spots[0].frame, track.spots[0].x, track.spots[0].y, reach)
    ]
    alike = agreeing(rings)
    rings = one_at_a_time(
        frames, [ring for ring in rings if ring in alike or ring.score >= _CLEAR_RING_SCORE]
    )
    clicks = find_clicks(frames, pointer)
    if len(rings) >= max(_MIN_RINGS, _RINGS_SHARE * len(clicks)):
        touches = _with_double_taps([_touch(frames, track) for track in rings], frames)
        return FoundTouches(touches, "ring", _color_name(rings), way)
    return FoundTouches([_click(frames, click) for click in clicks], "cursor", None, way)


def _click(frames: FrameStore, click: Click) -> Touch:
    seconds = float(frames.seconds[click.frame])
    x, y = click.x * frames.scale, click.y * frames.scale
    return Touch(seconds, seconds, x, y, "tap", _CLICK_CONFIDENCE, ((seconds, x, y),))


def _touch(frames: FrameStore, track: Track) -> Touch:
    path = tuple(
        (float(frames.seconds[spot.frame]), spot.x * frames.scale, spot.y * frames.scale)
        for spot in track.spots
    )
    start = float(frames.seconds[track.first])
    path = ((start, *path[0][1:]), *path[1:])
    moved = max(np.hypot(x - path[0][1], y - path[0][2]) for _, x, y in path)
    is_swipe = moved > _SWIPE_SHARE * min(frames.width, frames.height)
    end = path[-1][0] if is_swipe else max(float(frames.seconds[track.last]), start)
    kind: TouchKind = "swipe" if is_swipe else "long_press" if end - start >= _LONG_SECONDS else "tap"
    return Touch(start, end, path[0][1], path[0][2], kind, track.score, path)


def _with_double_taps(touches: Sequence[Touch], frames: FrameStore) -> list[Touch]:
    """Return the touches with two quick taps at one place as one double tap."""
    reach = _DOUBLE_SHARE * min(frames.width, frames.height)
    found: list[Touch] = []
    for touch in touches:
        last = found[-1] if found else None
        is_second = (
            last is not None
            and last.kind == touch.kind == "tap"
            and touch.time - last.time <= _DOUBLE_SECONDS
            and np.hypot(touch.x - last.x, touch.y - last.y) <= reach
        )
        if last is not None and is_second:
            confidence = min(last.confidence, touch.confidence)
            found[-1] = replace(last, kind="double_tap", end=touch.end, confidence=confidence)
        else:
            found.append(touch)
    return found


def _indicator(tracks: Sequence[Track]) -> Indicator:
    """Return whether the marks are filled or hollow."""
    hollow = float(np.quantile([track.clear.hollow for track in tracks], 0.25))
    return "ring" if hollow > _HOLLOW else "disc"


def _color_name(tracks: Sequence[Track]) -> str | None:
    """Return the name of the colour that most marks have."""
    if not tracks:
        return None
    names = [color_name(track.best.color) for track in tracks for _ in range(min(3, len(track.spots)))]
    return max(sorted(set(names)), key=names.count)


def color_name(color: tuple[float, float, float]) -> str:
    """Return the plain name of an RGB colour."""
    pixel = np.array([[color]], np.uint8)
    hue, saturation, value = (int(part) for part in cv2.cvtColor(pixel, cv2.COLOR_RGB2HSV)[0, 0])
    if saturation < 55 or value < 40:
        return "black" if value < 60 else "white" if value > 215 else "gray"
    return next(name for limit, name in _HUES if hue <= limit)
