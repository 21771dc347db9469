"""Frames to grids, repeats counted."""

from torch import Tensor

from clipbug.models.clipbert import ClipBert
from clipbug.models.inference.deduplication import equal_rows


class FrameEncoder:
    """Encodes the frames of visuals, each distinct frame once, and counts what it did.

    Args:
        model: in evaluation mode.

    Attributes:
        num_frames: frames of all clips so far; num_encoded: of these, how many passed the backbone.
    """

    def __init__(self, model: ClipBert) -> None:
        self._model = model
        self.num_frames = 0
        self.num_encoded = 0

    def __call__(self, frames: Tensor) -> Tensor:
        """Shape: (B, N, T, 3, H, W), on any device -> (B, N, h, w, D) on the model's."""
        flat = frames.flatten(0, 2)
        distinct = equal_rows(flat)
        self.num_frames += len(flat)
        self.num_encoded += len(distinct.rows)
        return self._model.encode_frames(frames, distinct=distinct)
