"""The contract of a task, which turns model output into a loss, predictions and a score."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from clipbug.data.loading.batch import Batch
from clipbug.data.records import Record


@dataclass(frozen=True, slots=True)
class StepOutput:
    """Loss sums of one micro-batch.

    Attributes:
        sums: loss name -> scalar with gradient, summed (not averaged) over that loss's targets. The trainer
            divides each by the count of its targets over the whole optimizer step: all micro-batches and
            ranks together.
        report: scalars to log only; they can never leak into the gradient.
    """

    sums: Mapping[str, Tensor]
    report: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClipPrediction:
    """The answer of one clip alone."""

    start_seconds: float
    end_seconds: float
    frame_seconds: tuple[float, ...]
    answer: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one row of annotations.

    Attributes:
        record_id: id of the annotation row.
        top: the best answers, best first, with their probabilities.
        pooled_logits: (K,), clips aggregated; clip_logits: (N, K). Not part of predictions.jsonl.
        expected: the right answer where only the batch knows it (which texts were exchanged), for the metric.
    """

    record_id: str
    question_id: str
    media_id: str
    question: str
    answer: str
    probability: float
    top: tuple[tuple[str, float], ...]
    clips: tuple[ClipPrediction, ...]
    pooled_logits: NDArray[np.float32]
    clip_logits: NDArray[np.float32]
    expected: str | None = None

    @property
    def is_finite(self) -> bool:
        """Return whether all scores are finite: those of a model that overflows are NaN or infinite."""
        probabilities = [self.probability, *(value for _, value in self.top)]
        return bool(
            np.isfinite(probabilities).all()
            and np.isfinite([clip.probability for clip in self.clips]).all()
            and np.isfinite(self.pooled_logits).all()
        )

    def to_json(self) -> dict[str, Any]:
        """Return one object of predictions.jsonl (docs/cli.md)."""
        return {
            "id": self.record_id,
            "question_id": self.question_id,
            "media_id": self.media_id,
            "question": self.question,
            "answer": self.answer,
            "probability": self.probability,
            "top": [list(pair) for pair in self.top],
            "clips": [
                {
                    "start_seconds": clip.start_seconds,
                    "end_seconds": clip.end_seconds,
                    "frame_seconds": list(clip.frame_seconds),
                    "answer": clip.answer,
                    "probability": clip.probability,
                }
                for clip in self.clips
            ],
        }


class Metric(Protocol):
    """Scores predictions against the rows they belong to."""

    name: str
    """Name of the main score, e.g. "accuracy"; higher is better."""

    def __call__(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> Mapping[str, float]:
        """Return scores in [0, 1], the main one under `self.name`. Records without prediction are wrong."""
        ...


class Task(nn.Module, ABC):
    """One objective around one model. `forward` is the training step, so that DDP can wrap the task."""

    model: nn.Module

    @abstractmethod
    def count_targets(self, batch: Batch) -> Mapping[str, int]:
        """Count the targets of each loss without running the model. Same keys as `StepOutput.sums`."""

    @abstractmethod
    def training_step(self, batch: Batch) -> StepOutput:
        """Return the loss sums of one micro-batch, with gradient."""

    @abstractmethod
    def predict(self, batch: Batch) -> list[Prediction]:
        """Return one prediction per record, in order; deterministic in eval mode. Needs no targets."""

    @abstractmethod
    def metric(self) -> Metric:
        """Return the metric that scores predictions of this task."""

    @property
    def main_score(self) -> str:
        """Return the name of the score that decides which checkpoint is best."""
        return self.metric().name

    def evaluate(self, batch: Batch) -> tuple[list[Prediction], StepOutput]:
        """Return `predict` and `training_step` of a batch with targets; override it to run the model once."""
        return self.predict(batch), self.training_step(batch)

    def forward(self, batch: Batch) -> StepOutput:
        """Run the training step."""
        return self.training_step(batch)


class RankingTask(Task):
    """A task that can score any text with any media item, so that all pairs of a search can be ranked.

    Media items are encoded without texts: each passes the backbone once, however many texts there are.
    """

    @property
    def main_score(self) -> str:
        """Return the mean reciprocal rank: validation searches among all validation recordings."""
        return "mrr"

    @abstractmethod
    def encode_visuals(self, frames: Tensor) -> Tensor:
        """Encode media items for `match_scores`.

        Shape:
            frames: (B, N, T, 3, H, W).
            returns: (B, N, h, w, D).
        """

    @abstractmethod
    def pair_logits(self, grid: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the model's output for the texts of the batch, each with its own media item, in fp32.

        Shape:
            grid: (B, N, h, w, D), of `encode_visuals`.
            returns: clips pooled (Q, K), and each clip (Q, N, K).
        """

    @abstractmethod
    def match_scores(
        self,
        grid: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        visual_index: Tensor,
        clip_positions: Tensor,
    ) -> Tensor:
        """Score how well every text matches its media item, higher is better, in fp32.

        Shape:
            grid: (B, N, h, w, D), of `encode_visuals`; clip_positions: (B, N).
            input_ids, attention_mask: (Q, L); visual_index: (Q,).
            returns: (Q,).
        """
