"""A few answered questions with their frames, to look at while a training goes on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clipbug.data.loading.batch import Batch
from clipbug.data.records import QuestionOrChoice, Record
from clipbug.tasks.base import Prediction

_LONGEST_SIDE = 224
_GAP = 4


@dataclass(frozen=True, slots=True)
class Example:
    """One question, its answer and what was looked at.

    Shape:
        picture: (3, h, w) uint8, all frames of all clips side by side.
    """

    record: Record
    prediction: Prediction
    picture: Tensor

    def expected(self) -> str:
        """The right answer, or "?" where the row does not tell them."""
        labels = self.record.labels if isinstance(self.record, QuestionOrChoice) else {}
        return self.prediction.expected or max(labels, key=labels.__getitem__, default="?")


def examples_of(batch: Batch, predictions: Sequence[Prediction], number: int) -> list[Example]:
    """The first rows of a batch as examples, at most `number`."""
    visuals = batch.visual_of_records()
    return [
        Example(batch.records[row], predictions[row], _strip(batch.frames[visuals[row]]))
        for row in range(min(max(number, 0), len(predictions)))
    ]


def _strip(frames: Tensor) -> Tensor:
    """Shape: (N, T, 3, H, W) -> (3, h, w): small, side by side, a gap between clips and frames."""
    pictures = frames.flatten(0, 1).float()
    scale = min(1.0, _LONGEST_SIDE / max(pictures.shape[-2:]))
    small = functional.interpolate(pictures, scale_factor=scale, mode="area") if scale < 1 else pictures
    padded = functional.pad(small, (0, _GAP), value=255.0)
    return torch.cat(list(padded), dim=-1)[..., :-_GAP].clamp(0, 255).to(torch.uint8).cpu()
