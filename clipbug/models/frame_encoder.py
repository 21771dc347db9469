"""Frames to grids, repeats counted."""

import torch
from torch import Tensor

from clipbug.models.clipbert import ClipBert
from clipbug.models.repeats import Distinct, equal_rows, near_frames


class FrameEncoder:
    """Encodes the frames of visuals, each distinct frame once, and counts what it did.

    Args:
        model: in evaluation mode.
        near_duplicates: also take frames of one recording as equal that differ by no more than so many grey
            levels (`near_frames`); 0: only those that are equal bit for bit.

    Attributes:
        num_frames: frames of all clips so far; num_encoded: of these, how many passed the backbone.
        largest_difference: of a frame from the one that it was taken for.
    """

    def __init__(self, model: ClipBert, *, near_duplicates: float = 0.0) -> None:
        self._model = model
        self._tolerance = near_duplicates
        self.num_frames = 0
        self.num_encoded = 0
        self.largest_difference = 0.0

    def __call__(self, frames: Tensor) -> Tensor:
        """Shape: (B, N, T, 3, H, W), on any device -> (B, N, h, w, D) on the model's."""
        flat = frames.flatten(0, 2)
        distinct = self._near(frames) if self._tolerance else equal_rows(flat)
        self.num_frames += len(flat)
        self.num_encoded += len(distinct.rows)
        self.largest_difference = max(self.largest_difference, distinct.largest_difference)
        return self._model.encode_frames(frames, distinct=distinct)

    def _near(self, frames: Tensor) -> Distinct:
        """Each recording on its own: frames of two recordings are never taken for each other."""
        parts = [near_frames(clips.flatten(0, 1), tolerance=self._tolerance) for clips in frames]
        per_visual = frames.shape[1] * frames.shape[2]
        rows, place, count = [], [], 0
        for number, part in enumerate(parts):
            rows.append(part.rows + number * per_visual)
            place.append(part.place + count)
            count += len(part.rows)
        largest = max(part.largest_difference for part in parts)
        return Distinct(torch.cat(rows), torch.cat(place), largest)
