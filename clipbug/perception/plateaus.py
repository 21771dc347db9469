"""Stretches of a recording in which the screen holds still, apart from what moves on its own.

Not a detector of film cuts: a page that slides in takes many frames, and it is the rest before and after it
that counts.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import FrameStore

_BLOCK = 8
_CHANGED_LEVELS = 16
_BLOCK_PIXELS = 3
_STILL_SHARE = 0.002
_DRIFT_SHARE = 0.010
_MIN_SECONDS = 0.2
_WINDOW_SECONDS = 0.75
_HOLD_SECONDS = 0.1
_BUSY_SHARE = 0.6
_MAX_BUSY_AREA = 0.5


@dataclass(frozen=True, slots=True)
class Plateau:
    """Frames `first` to `last`, in which the screen holds still."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Motion:
    """Where the screen changes.

    Attributes:
        blocks: (F, rows, columns) whether a block of 8x8 small pixels differs from the frame before.
        busy: (F, rows, columns) whether it has been changing for a while: a video, spinner or animation.
    """

    blocks: NDArray[np.bool_]
    busy: NDArray[np.bool_]


def find_motion(frames: FrameStore) -> Motion:
    """Return where each frame differs from the one before, and which of it is restless."""
    height, width = frames.sizes.small
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    blocks = np.zeros((len(frames), rows, columns), bool)
    for index in range(1, len(frames)):
        if frames.luma(index) is not frames.luma(index - 1):
            blocks[index] = _changed_blocks(frames.luma(index - 1), frames.luma(index))
    return Motion(blocks, _busy(blocks, frames.seconds))


def find_plateaus(frames: FrameStore, motion: Motion) -> list[Plateau]:
    """Return the still stretches in order; the last frame is always in one."""
    found: list[Plateau] = []
    first = 0
    for index in range(1, len(frames) + 1):
        if index < len(frames) and _is_still(frames, motion, first, index):
            continue
        if frames.end_of(index - 1) - frames.seconds[first] >= _MIN_SECONDS - 1e-3:
            found.append(Plateau(first, index - 1))
        first = index
    last = len(frames) - 1
    if not found or found[-1].last < last:
        found.append(Plateau(last, last))
    return found


def differing(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels clearly differ between two luma pictures (h, w)."""
    return cv2.absdiff(before, after) > _CHANGED_LEVELS


def spread(blocks: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a map of blocks (rows, columns) as a map of pixels of `shape`."""
    large = np.repeat(np.repeat(blocks, _BLOCK, axis=0), _BLOCK, axis=1)
    return large[: shape[0], : shape[1]]


def _changed_blocks(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    changed = differing(before, after)
    height, width = changed.shape
    padded = np.pad(changed, ((0, -height % _BLOCK), (0, -width % _BLOCK)))
    shape = padded.shape[0] // _BLOCK, _BLOCK, padded.shape[1] // _BLOCK, _BLOCK
    return np.asarray(padded.reshape(shape).sum(axis=(1, 3)) >= _BLOCK_PIXELS)


def _busy(blocks: NDArray[np.bool_], seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the blocks that change all through the time before and after a frame.

    A page that slides in is over before that; a video, a spinner or a ticking game is not.
    """
    num = len(seconds)
    held = _any_within(blocks, seconds, _HOLD_SECONDS)
    total = np.concatenate([np.zeros_like(held[:1], np.int32), np.cumsum(held, axis=0, dtype=np.int32)])
    start = np.searchsorted(seconds, seconds - _WINDOW_SECONDS)
    end = np.searchsorted(seconds, seconds + _WINDOW_SECONDS, side="right")
    here = np.arange(num)
    before = _share(total, start, here + 1)
    after = _share(total, here, end)
    # At both ends of a recording there is one side only.
    before[seconds < _WINDOW_SECONDS / 2] = 1.0
    after[seconds > seconds[-1] - _WINDOW_SECONDS / 2] = 1.0
    busy = (before >= _BUSY_SHARE) & (after >= _BUSY_SHARE)
    if seconds[-1] < 2 * _WINDOW_SECONDS:
        busy[:] = False
    busy[busy.mean(axis=(1, 2)) > _MAX_BUSY_AREA] = False
    return np.asarray([cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0 for mask in busy])


def _any_within(blocks: NDArray[np.bool_], seconds: NDArray[np.float64], reach: float) -> NDArray[np.bool_]:
    total = np.concatenate([np.zeros_like(blocks[:1], np.int32), np.cumsum(blocks, axis=0, dtype=np.int32)])
    start = np.searchsorted(seconds, seconds - reach)
    end = np.searchsorted(seconds, seconds + reach, side="right")
    return np.asarray(total[end] - total[start] > 0)


def _share(total: NDArray[np.int32], start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.float32]:
    count = np.maximum(end - start, 1).astype(np.float32)
    return np.asarray((total[end] - total[start]) / count[:, None, None], np.float32)


def _is_still(frames: FrameStore, motion: Motion, first: int, index: int) -> bool:
    after = frames.luma(index)
    if after is frames.luma(index - 1):
        return True
    calm = ~spread(motion.busy[index], after.shape)
    if np.count_nonzero(differing(frames.luma(index - 1), after) & calm) > _STILL_SHARE * after.size:
        return False
    drift = np.count_nonzero(differing(frames.luma(first), after) & calm)
    return bool(drift <= _DRIFT_SHARE * after.size)
