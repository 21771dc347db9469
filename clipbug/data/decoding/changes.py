"""Measure how much each frame of a recording differs from the one before, without decoding where possible.

Values are in eighths of an octave: 0 is no change, and adding 8 doubles the change.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Changes = NDArray[np.uint8]

# A packet of up to twice the typical size of a quiet one counts as no change.
_QUIET_SHARE = 0.25
_QUIET_FACTOR = 2.0
_DIFFERENT_LEVELS = 16
_FINEST_SHARE = 1 / 4096


def changes_by_size(sizes: Sequence[int], is_keyframe: Sequence[bool]) -> Changes:
    """Estimate changes from packet sizes in display order: an encoder spends bytes where the screen changes.

    A keyframe contains the whole frame, whether or not something changed. At the recording's usual keyframe
    interval it gets the size of the next packet; if it comes earlier, the encoder has placed it at a new
    scene. If most packets are keyframes (Motion JPEG), frames differ where their sizes do.

    Args:
        sizes: Packet sizes in bytes.
        is_keyframe: Whether each packet is a keyframe.

    Returns:
        The change at each frame.

    Shape:
        sizes, is_keyframe and the result: (F,).
    """
    size, is_key = np.asarray(sizes, np.float64), np.asarray(is_keyframe, bool)
    if len(size) < 2:
        return np.zeros(len(size), np.uint8)
    if is_key.mean() > 0.5:
        steps = np.abs(np.diff(size, prepend=size[0]))
        return _eighths_of_octaves(1 + 1000 * steps / max(float(np.median(size)), 1.0))
    keys = np.flatnonzero(is_key)
    usual = np.diff(keys).max(initial=0)
    for key, distance in zip(keys, np.diff(keys, prepend=-usual), strict=True):
        if distance >= usual:
            size[key] = size[key + 1] if key + 1 < len(size) else 0.0
    size[0] = 0.0  # no frame comes before the first
    quiet = max(float(np.quantile(size[~is_key], _QUIET_SHARE)), 1.0)
    return _eighths_of_octaves(size / (_QUIET_FACTOR * quiet))


def change_between(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> int:
    """Return the change from one frame (H, W, 3) to the next, by the share of pixels that clearly differ."""
    limit = (_DIFFERENT_LEVELS,) * 3
    alike = cv2.inRange(cv2.absdiff(before, after), (0, 0, 0), limit)
    different = 1 - cv2.countNonZero(alike) / alike.size
    return int(_eighths_of_octaves(np.array([1 + different / _FINEST_SHARE]))[0])


def changes_between(pictures: NDArray[np.uint8]) -> Changes:
    """Return the changes (F,) between frames (F, H, W, 3) in memory."""
    values = [change_between(before, after) for before, after in pairwise(pictures)]
    return np.array([0, *values], np.uint8)[: len(pictures)]


def _eighths_of_octaves(ratio: NDArray[np.float64]) -> Changes:
    eighths: Changes = np.rint(np.minimum(np.log2(np.maximum(ratio, 1.0)) * 8, 255)).astype(np.uint8)
    return eighths
