"""Multiple choice: every option is a text of its own, scored with the visual; the best one is the answer."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from clipbug.data.loading.batch import Batch
from clipbug.data.records import ChoiceRecord, Record
from clipbug.models.aggregation import ClipAggregation, aggregate_clips, multi_clip_cross_entropy
from clipbug.tasks.answer_metric import AnswerMetric
from clipbug.tasks.base import Metric, Prediction, StepOutput
from clipbug.tasks.one_output import OneOutputTask, run_model
from clipbug.tasks.predictions import ListedAnswers, build_predictions

_LOSS = "answer"
_NO_OPTION = -1e9
"""The score of options that a row does not have: finite, so that pooling clips gives no NaN gradients."""


class MultipleChoice(OneOutputTask[Tensor]):
    """Choose one of the options of each row; rows may have different numbers of them.

    The loss is the multi-clip cross entropy over the options (`targets["labels"]` (R,) int64, -100 =
    unknown), as in ClipBERT, where all rows have five.

    Probabilities are a softmax over the options of a row.

    Args:
        model: (frames, input_ids, attention_mask, visual_index, clip_positions) -> scores (Q, N, 1).
        clip_aggregation: how clips become one score per option.
    """

    def __init__(self, model: nn.Module, *, clip_aggregation: ClipAggregation) -> None:
        super().__init__()
        self.model = model
        self.clip_aggregation = clip_aggregation

    def count_targets(self, batch: Batch) -> Mapping[str, int]:
        """Count the rows whose right option is known."""
        labels = batch.targets.get("labels")
        return {_LOSS: 0 if labels is None else int((labels >= 0).sum())}

    def metric(self) -> Metric:
        """Return the metric: the share of rows whose right option is chosen."""
        return AnswerMetric("accuracy")

    def _outputs(self, batch: Batch) -> Tensor:
        """Return the scores of options (R, N, M), M being the most options of a row."""
        return by_record(run_model(self, batch).squeeze(-1), batch).transpose(1, 2)

    def _losses(self, batch: Batch, output: Tensor) -> StepOutput:
        labels = batch.targets.get("labels")
        if labels is None:
            return StepOutput(sums={_LOSS: output[:0].sum()})
        rows = labels >= 0
        losses = multi_clip_cross_entropy(output[rows], labels[rows], self.clip_aggregation)
        return StepOutput(sums={_LOSS: losses.sum()})

    def _predictions(self, batch: Batch, output: Tensor) -> list[Prediction]:
        return build_predictions(
            batch,
            pooled_logits=aggregate_clips(output, self.clip_aggregation),
            clip_logits=output,
            probabilities=lambda values: values.softmax(dim=-1),
            answers_of=options_of,
            top_k=output.shape[-1],
        )


def by_record(scores: Tensor, batch: Batch) -> Tensor:
    """Group scores of texts by record.

    Shape:
        scores: (Q, ...).
        returns: (R, M, ...), M the most texts of a record; a missing one scores too low to be chosen.
    """
    parts = torch.split(scores, list(batch.num_texts))
    return pad_sequence(list(parts), batch_first=True, padding_value=_NO_OPTION)


def options_of(record: Record) -> ListedAnswers:
    """Return the answers of a row of multiple choice."""
    if not isinstance(record, ChoiceRecord):
        raise TypeError(f"a row with options is needed, got {type(record).__name__}")
    return ListedAnswers(record.options)
