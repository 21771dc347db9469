"""The network that finds touch marks and mouse pointers: from three frames to heat maps."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import Picture

STRIDE = 4
TOUCH_CHANNELS = 2
"""Of the heat maps: touches, and the tips of mouse pointers."""

_MULTIPLE = 8
_MARGIN = 24
_PEAK_CELLS = 5


@dataclass(frozen=True, slots=True)
class Peak:
    """A place that the network marks, in small pixels."""

    x: float
    y: float
    score: float


def network_input(before: Picture, now: Picture, after: Picture) -> NDArray[np.float32]:
    """Return the frame and its differences to the two others.

    Shape:
        before, now, after: (h, w, 3) RGB; result: (9, h, w).
    """
    a, b, c = (picture.astype(np.float32) / 255 for picture in (before, now, after))
    return np.ascontiguousarray(
        np.concatenate([b - 0.5, (b - a) * 2, (b - c) * 2], axis=2).transpose(2, 0, 1)
    )


def find_peaks(
    before: Picture, now: Picture, after: Picture, box: tuple[int, int, int, int], *, threshold: float
) -> tuple[list[Peak], list[Peak]]:
    """Return the touches and the pointers of a frame.

    Args:
        before, now, after: small pictures.
        box: the part that has changed (left, top, right, bottom); no more is passed through the network.
        threshold: of the scores.
    """
    height, width = now.shape[:2]
    left, top = (
        max(0, box[0] - _MARGIN) // _MULTIPLE * _MULTIPLE,
        max(0, box[1] - _MARGIN) // _MULTIPLE * _MULTIPLE,
    )
    right, bottom = min(width, box[2] + _MARGIN), min(height, box[3] + _MARGIN)
    parts = [_padded(picture[top:bottom, left:right]) for picture in (before, now, after)]
    heat = _session().run(None, {"frames": network_input(*parts)[None]})[0][0]
    touches, pointers = (_peaks(channel, left, top, threshold) for channel in heat)
    return touches, pointers


@cache
def _session() -> Any:
    import onnxruntime  # slow to import, and not needed for a recording that does not move

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    weights = files("clipbug.perception").joinpath("touch_network.onnx").read_bytes()
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def _padded(part: Picture) -> Picture:
    """Return the part with its edges repeated up to a size that the network's steps divide."""
    height, width = part.shape[:2]
    bottom, right = -height % _MULTIPLE, -width % _MULTIPLE
    if not bottom and not right:
        return part
    return np.asarray(cv2.copyMakeBorder(part, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def _peaks(heat: NDArray[np.float32], left: int, top: int, threshold: float) -> list[Peak]:
    """Return the local maxima of a heat map, each in the middle of the heat around it."""
    if float(heat.max()) < threshold:
        return []
    highest = cv2.dilate(heat, np.ones((_PEAK_CELLS, _PEAK_CELLS), np.uint8))
    found = []
    for row, column in np.argwhere((heat >= highest) & (heat >= threshold)):
        rows, columns = slice(max(0, row - 1), row + 2), slice(max(0, column - 1), column + 2)
        part = heat[rows, columns]
        y = float((part.sum(axis=1) * np.arange(rows.start, rows.start + part.shape[0])).sum() / part.sum())
        x = float(
            (part.sum(axis=0) * np.arange(columns.start, columns.start + part.shape[1])).sum() / part.sum()
        )
        middle = (STRIDE - 1) / 2
        found.append(Peak(left + x * STRIDE + middle, top + y * STRIDE + middle, float(heat[row, column])))
    return found
