"""Question answering over an answer vocabulary: image QA with soft labels, open-ended video QA."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbug.data.batch import Batch
from clipbug.models.aggregation import ClipAggregation, aggregate_clips, multi_clip_cross_entropy
from clipbug.tasks.answer_metric import AnswerMetric
from clipbug.tasks.base import Metric, Prediction, StepOutput, Task
from clipbug.tasks.predictions import build_predictions

_LOSS = "answer"


class Answers(Protocol):
    """What the task needs of an answer vocabulary."""

    def __len__(self) -> int: ...

    def answer_at(self, index: int) -> str:
        """The answer of a class."""
        ...


class QuestionAnswering(Task):
    """Choose an answer of the vocabulary for every question.

    With soft labels (`targets["labels"]` (Q, K) float) the loss of a row is the binary cross entropy of the
    aggregated logits, summed over classes; an answer's probability is its sigmoid. With one label per row
    (`targets["labels"]` (Q,) int64, -100 = none) it is the multi-clip cross entropy; probabilities are the
    softmax. A row without any answer of the vocabulary has no target: it is in no loss and no count.

    Args:
        model: (frames, input_ids, attention_mask, visual_index, clip_positions) -> logits (Q, N, K).
        answers: the K answers.
        clip_aggregation: how clips become one answer.
        soft_labels: which of the two.
        label_smoothing: of the single label.
        top_k: answers that a prediction lists.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        answers: Answers,
        clip_aggregation: ClipAggregation,
        soft_labels: bool,
        label_smoothing: float = 0.0,
        top_k: int = 5,
    ) -> None:
        super().__init__()
        if soft_labels and label_smoothing:
            raise ValueError(f"label_smoothing is for single labels, got {label_smoothing} with soft_labels")
        self.model = model
        self.answers = answers
        self.clip_aggregation = clip_aggregation
        self.soft_labels = soft_labels
        self.label_smoothing = label_smoothing
        self.top_k = top_k

    def count_targets(self, batch: Batch) -> Mapping[str, int]:
        """Rows with a target."""
        labels = batch.targets.get("labels")
        return {_LOSS: 0 if labels is None else int(self._has_target(labels).sum())}

    def training_step(self, batch: Batch) -> StepOutput:
        """The loss summed over rows with a target; zero, still with a gradient path, where there are none."""
        return self._losses(batch, self._clip_logits(batch))

    def predict(self, batch: Batch) -> list[Prediction]:
        """The best answers of every row, and the answer of each of its clips."""
        return self._predictions(batch, self._clip_logits(batch))

    def evaluate(self, batch: Batch) -> tuple[list[Prediction], StepOutput]:
        """Answers and loss of the same logits."""
        logits = self._clip_logits(batch)
        return self._predictions(batch, logits), self._losses(batch, logits)

    def metric(self) -> Metric:
        """Accuracy, or the VQA score where labels are soft."""
        return AnswerMetric("vqa_score" if self.soft_labels else "accuracy")

    def _losses(self, batch: Batch, logits: Tensor) -> StepOutput:
        labels = batch.targets.get("labels")
        if labels is None:
            return StepOutput(sums={_LOSS: logits[:0].sum()})
        rows = self._has_target(labels)
        return StepOutput(sums={_LOSS: self._row_losses(logits[rows], labels[rows]).sum()})

    def _predictions(self, batch: Batch, logits: Tensor) -> list[Prediction]:
        return build_predictions(
            batch,
            pooled_logits=aggregate_clips(logits, self.clip_aggregation),
            clip_logits=logits,
            probabilities=torch.sigmoid if self.soft_labels else _softmax,
            answer_at=self.answers.answer_at,
            top_k=self.top_k,
        )

    def _clip_logits(self, batch: Batch) -> Tensor:
        """(Q, N, K) in fp32, whatever the model computes in: half precision rounds losses and overflows."""
        logits: Tensor = self.model(
            batch.frames, batch.input_ids, batch.attention_mask, batch.visual_index, batch.clip_positions
        ).float()
        if logits.shape[-1] != len(self.answers):
            raise ValueError(f"the model has {logits.shape[-1]} classes for {len(self.answers)} answers")
        return logits

    def _has_target(self, labels: Tensor) -> Tensor:
        return (labels > 0).any(dim=-1) if self.soft_labels else labels >= 0

    def _row_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.soft_labels:
            pooled = aggregate_clips(logits, self.clip_aggregation)
            losses = functional.binary_cross_entropy_with_logits(pooled, labels.float(), reduction="none")
            return losses.sum(dim=-1)
        return multi_clip_cross_entropy(
            logits, labels, self.clip_aggregation, label_smoothing=self.label_smoothing
        )


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(dim=-1)
