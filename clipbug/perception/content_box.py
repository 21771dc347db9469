"""The app's part of a picture in which a phone or a simulator's window is drawn round it."""

import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import FrameStore
from clipbug.perception.plateaus import Motion
from clipbug.perception.timeline import Box

_MIN_FRAME_SHARE, _MAX_FRAME_SHARE = 0.02, 0.22  # of a side that may belong to the drawn phone
_EDGE_LEVELS, _MIN_EDGE_SHARE = 18, 0.75
_MAX_ASYMMETRY = 0.035
_STRIP = 3
_UNIFORM_LEVELS, _DARK_LEVEL = 14.0, 80.0
_MAX_MOVING = 0.02
_NUM_FRAMES = 5


def find_content_box(frames: FrameStore, motion: Motion) -> Box:
    """Return the part with the app, in pixels of the recording; all of it where nothing is drawn round it.

    A drawn phone has an upright edge at both sides, at the same distance; outside it is dark and nothing
    moves.
    """
    whole = (0.0, 0.0, float(frames.width), float(frames.height))
    places = np.linspace(0, len(frames) - 1, min(len(frames), _NUM_FRAMES)).astype(int)
    pictures = np.stack([frames.luma(int(place)) for place in places]).astype(np.int16)
    sides = _sides(pictures)
    if sides is None:
        return whole
    left, right = sides
    moving = np.asarray(motion.blocks.any(axis=0))
    block = frames.sizes.small[1] / moving.shape[1]
    outside = np.concatenate(
        [moving[:, : int(left / block)], moving[:, int(np.ceil(right / block)) + 1 :]], axis=1
    )
    if outside.size and outside.mean() > _MAX_MOVING:
        return whole
    top, bottom = _ends(pictures[:, :, left:right])
    scale = frames.scale
    return left * scale, top * scale, right * scale, bottom * scale


def is_inside(box: Box, point: tuple[float, float]) -> bool:
    """Return whether a point is in a box."""
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _sides(pictures: NDArray[np.int16]) -> tuple[int, int] | None:
    """Return the columns at which the app begins and ends; None if there is no phone round it.

    Shape:
        pictures: (F, h, w).
    """
    _, height, width = pictures.shape
    middle = pictures[:, height // 5 : height - height // 5]
    limit = int(_MAX_FRAME_SHARE * width)
    left = _inner_edge(middle[:, :, :limit])
    right = _inner_edge(middle[:, :, ::-1][:, :, :limit])
    if left is None or right is None or min(left, right) < _MIN_FRAME_SHARE * width:
        return None
    if abs(left - right) > max(2, _MAX_ASYMMETRY * width):
        return None
    return left, width - right


def _ends(pictures: NDArray[np.int16]) -> tuple[int, int]:
    """Return the rows at which the app begins and ends, between its sides."""
    _, height, width = pictures.shape
    middle = pictures[:, :, width // 5 : width - width // 5].transpose(0, 2, 1)
    limit = int(_MAX_FRAME_SHARE * height)
    top = _inner_edge(middle[:, :, :limit]) or 0
    bottom = _inner_edge(middle[:, :, ::-1][:, :, :limit]) or 0
    return top, height - bottom


def _inner_edge(strip: NDArray[np.int16]) -> int | None:
    """Return the innermost column at which a dark, even strip ends all along; None if there is none.

    Shape:
        strip: (F, rows, columns), with the picture's border at column 0.
    """
    steps = np.abs(strip[:, :, 2:] - strip[:, :, :-2]) > _EDGE_LEVELS
    edges = np.flatnonzero(steps.mean(axis=1).min(axis=0) >= _MIN_EDGE_SHARE)
    for edge in edges[::-1]:
        outer = strip[:, :, max(0, edge - _STRIP + 1) : edge + 1]
        inner = strip[:, :, edge + 2 : edge + 2 + _STRIP]
        if inner.size == 0:
            continue
        is_even = float(outer.std(axis=1).max()) < _UNIFORM_LEVELS
        if is_even and float(np.median(outer)) < _DARK_LEVEL < float(np.median(inner)):
            return int(edge) + 2
    return None
