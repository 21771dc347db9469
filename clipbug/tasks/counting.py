"""Counting: a regression whose rounded output is the answer (TGIF count)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from clipbug.data.loading.batch import Batch
from clipbug.data.records import QuestionRecord, Record
from clipbug.metrics.counts import mean_squared_error
from clipbug.models.aggregation import ClipAggregation, aggregate_clips
from clipbug.tasks.answer_metric import AnswerMetric
from clipbug.tasks.base import Metric, Prediction, StepOutput
from clipbug.tasks.one_output import OneOutputTask, run_model
from clipbug.tasks.predictions import ListedAnswers, build_predictions

_LOSS = "count"
_TOP_K = 5


class CountMetric:
    """Accuracy of the rounded number, and its mean squared error (`mse`, lower is better)."""

    name = "accuracy"

    def __call__(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> Mapping[str, float]:
        """Return both scores; a row without prediction is wrong and in no error.

        Raises:
            DataError: no row has an answer.
        """
        accuracies = AnswerMetric(self.name)(predictions, records)
        answers = {prediction.record_id: float(prediction.answer) for prediction in predictions}
        rows = [row for row in records if isinstance(row, QuestionRecord) and row.record_id in answers]
        pairs = [(answers[row.record_id], float(row.answer)) for row in rows if row.answer is not None]
        given, right = zip(*pairs, strict=True) if pairs else ((), ())
        return {**accuracies, "mse": mean_squared_error(given, right)}


class Counting(OneOutputTask[Tensor]):
    """Say how many times something happens.

    The loss is the squared error of the mean over clips (`targets["count"]` (R,) int64, -100 = unknown).
    ClipBERT has a class for it (squared error; rounded and kept in 1..10 in evaluation), which none of its
    tasks uses. Its head normalizes over the batch, so that the loss of a batch would not be that of its
    micro-batches: ours is the two-layer head of the other tasks with one output.

    A prediction's probabilities are those that squared error implies: a normal distribution of variance 1
    around the output, over the whole numbers of the range. The best of them is the rounded output.

    Args:
        model: (frames, input_ids, attention_mask, visual_index, clip_positions) -> (R, N, 1).
        minimum, maximum: range of the answers.
        clip_aggregation: how clips become one number; a logsumexp of numbers would grow with their number.
    """

    def __init__(
        self, model: nn.Module, *, minimum: int, maximum: int, clip_aggregation: ClipAggregation
    ) -> None:
        super().__init__()
        self.model = model
        self.clip_aggregation = clip_aggregation
        self.numbers = range(minimum, maximum + 1)
        self._answers = ListedAnswers(map(str, self.numbers))

    def count_targets(self, batch: Batch) -> Mapping[str, int]:
        """Count the rows whose number is known."""
        numbers = batch.targets.get("count")
        return {_LOSS: 0 if numbers is None else int((numbers >= 0).sum())}

    def metric(self) -> Metric:
        """Return accuracy and squared error of the rounded number."""
        return CountMetric()

    def _logits(self, outputs: Tensor) -> Tensor:
        """Log probabilities of the numbers under a normal distribution: (..., 1) -> (..., K)."""
        numbers = torch.tensor(self.numbers, dtype=outputs.dtype, device=outputs.device)
        return -(outputs - numbers).square() / 2

    def _outputs(self, batch: Batch) -> Tensor:
        return run_model(self, batch)

    def _losses(self, batch: Batch, output: Tensor) -> StepOutput:
        numbers = batch.targets.get("count")
        if numbers is None:
            return StepOutput(sums={_LOSS: output[:0].sum()})
        rows = numbers >= 0
        pooled = aggregate_clips(output[rows], self.clip_aggregation).squeeze(-1)
        return StepOutput(sums={_LOSS: (pooled - numbers[rows]).square().sum()})

    def _predictions(self, batch: Batch, output: Tensor) -> list[Prediction]:
        return build_predictions(
            batch,
            pooled_logits=self._logits(aggregate_clips(output, self.clip_aggregation)),
            clip_logits=self._logits(output),
            probabilities=lambda values: values.softmax(dim=-1),
            answers_of=lambda record: self._answers,
            top_k=_TOP_K,
        )
