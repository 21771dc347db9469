"""Question answering over an answer vocabulary: image QA with soft labels, open-ended video QA."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbug.data.loading.batch import Batch
from clipbug.models.aggregation import ClipAggregation, aggregate_clips, multi_clip_cross_entropy
from clipbug.tasks.answer_metric import AnswerMetric
from clipbug.tasks.base import Metric, Prediction, StepOutput
from clipbug.tasks.one_output import OneOutputTask, run_model
from clipbug.tasks.predictions import Answers, build_predictions

_LOSS = "answer"


class QuestionAnswering(OneOutputTask[Tensor]):
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
        every_row: a row of soft labels that are all zero counts too, as in the original.
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
        every_row: bool = False,
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
        self.every_row = every_row

    def count_targets(self, batch: Batch) -> Mapping[str, int]:
        """Count the rows with a target."""
        labels = batch.targets.get("labels")
        return {_LOSS: 0 if labels is None else int(self._has_target(labels).sum())}

    def metric(self) -> Metric:
        """Return accuracy, or the VQA score where labels are soft."""
        return AnswerMetric("vqa_score" if self.soft_labels else "accuracy")

    def _losses(self, batch: Batch, output: Tensor) -> StepOutput:
        labels = batch.targets.get("labels")
        if labels is None:
            return StepOutput(sums={_LOSS: output[:0].sum()})
        rows = self._has_target(labels)
        return StepOutput(sums={_LOSS: self._row_losses(output[rows], labels[rows]).sum()})

    def _predictions(self, batch: Batch, output: Tensor) -> list[Prediction]:
        return build_predictions(
            batch,
            pooled_logits=aggregate_clips(output, self.clip_aggregation),
            clip_logits=output,
            probabilities=torch.sigmoid if self.soft_labels else _softmax,
            answers_of=lambda record: self.answers,
            top_k=self.top_k,
        )

    def _outputs(self, batch: Batch) -> Tensor:
        logits = run_model(self, batch)
        if logits.shape[-1] != len(self.answers):
            raise ValueError(f"the model has {logits.shape[-1]} classes for {len(self.answers)} answers")
        return logits

    def _has_target(self, labels: Tensor) -> Tensor:
        if not self.soft_labels:
            return labels >= 0
        return (labels > 0).any(dim=-1) | self.every_row

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
