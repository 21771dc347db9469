"""Validation examples with their frames, for inspection during training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clipbug.data.loading.batch import Batch
from clipbug.data.records import QuestionOrChoice, Record
from clipbug.tasks.base import Prediction

_MAX_SIDE = 224
_GAP = 4


@dataclass(frozen=True, slots=True)
class Example:
    """One record, its prediction and the frames that the model saw.

    Shape:
        picture: (3, h, w) uint8, all frames of all clips in a row.
    """

    record: Record
    prediction: Prediction
    picture: Tensor

    def expected(self) -> str:
        """Return the correct answer, or "?" if the record has none."""
        labels = self.record.labels if isinstance(self.record, QuestionOrChoice) else {}
        return self.prediction.expected or max(labels, key=labels.__getitem__, default="?")


def examples_of(batch: Batch, predictions: Sequence[Prediction], number: int) -> list[Example]:
    """Return the first `number` records of a batch as examples."""
    visuals = batch.visual_of_records()
    return [
        Example(batch.records[row], predictions[row], _strip(batch.frames[visuals[row]]))
        for row in range(min(max(number, 0), len(predictions)))
    ]


def _strip(frames: Tensor) -> Tensor:
    """Arrange downscaled frames in a row, with a gap between them. Shape: (N, T, 3, H, W) -> (3, h, w)."""
    pictures = frames.flatten(0, 1).float()
    scale = min(1.0, _MAX_SIDE / max(pictures.shape[-2:]))
    small = functional.interpolate(pictures, scale_factor=scale, mode="area") if scale < 1 else pictures
    padded = functional.pad(small, (0, _GAP), value=255.0)
    return torch.cat(list(padded), dim=-1)[..., :-_GAP].clamp(0, 255).to(torch.uint8).cpu()
