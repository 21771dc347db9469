"""Retrieval: how well does a text match a recording? Trained to tell its own text from others."""

from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbug.data.loading.batch import Batch
from clipbug.models.aggregation import ClipAggregation, aggregate_clips, multi_clip_cross_entropy
from clipbug.tasks.answer_metric import AnswerMetric
from clipbug.tasks.base import Metric, Prediction, RankingTask, StepOutput
from clipbug.tasks.multiple_choice import by_record, options_of
from clipbug.tasks.one_output import OneOutputTask, run_model
from clipbug.tasks.predictions import build_predictions

_LOSS = "matching"


class EncodesVisuals(Protocol):
    """What ranking needs of a model in addition to its forward."""

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Encode frames (B, N, T, 3, H, W) to a grid that `forward` takes instead of frames."""
        ...


class Retrieval(OneOutputTask[Tensor], RankingTask):
    """Score texts with visuals.

    Rows are choices among texts of which one (`targets["labels"]` (R,) int64, -100 = unknown) belongs to the
    visual. Both losses are ClipBERT's: "ce" scores each text alone, a multi-clip cross entropy of two classes
    (mismatch, match), counted by texts; "rank" wants sigmoid(right) to exceed sigmoid(other) by a margin,
    counted by other texts, on pooled scores.

    The score of a match is the logit of its probability, log p / (1 - p): it orders as the probability does,
    and does not round to 1 where the model is sure. ClipBERT rounds probabilities to four decimals, which
    makes ties.

    Args:
        model: (frames or grid, input_ids, attention_mask, visual_index, clip_positions) -> (Q, N, 2), or
            (Q, N, 1) for "rank"; and `encode_frames`.
        loss: one of the two.
        margin: of "rank".
        clip_aggregation: how clips become one score; for "rank" not logsumexp.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: Literal["ce", "rank"],
        margin: float,
        clip_aggregation: ClipAggregation,
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.margin = margin
        self.clip_aggregation = clip_aggregation

    def count_targets(self, batch: Batch) -> Mapping[str, int]:
        """Count texts ("ce"), or texts of other rows ("rank"), of rows whose own text is known."""
        labels = batch.targets.get("labels")
        if labels is None:
            return {_LOSS: 0}
        others = 1 if self.loss == "rank" else 0
        known = zip(labels.tolist(), batch.num_texts, strict=True)
        return {_LOSS: sum(number - others for label, number in known if label >= 0)}

    def metric(self) -> Metric:
        """Return the metric: the share of rows whose own text scores highest among the row's texts."""
        return AnswerMetric("accuracy")

    def encode_visuals(self, frames: Tensor) -> Tensor:
        """Return the grid of every clip, to be matched with any number of texts."""
        model: EncodesVisuals = self.model  # type: ignore[assignment]
        return model.encode_frames(frames)

    def pair_logits(self, grid: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return (Q, K) and (Q, N, K): scores of mismatch and match ("ce"), or one score ("rank")."""
        clips = run_model(self, batch, grid=grid)
        return aggregate_clips(clips, self.clip_aggregation), clips

    def match_scores(
        self,
        grid: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        visual_index: Tensor,
        clip_positions: Tensor,
    ) -> Tensor:
        """Score of every text with its visual."""
        output = self.model(grid, input_ids, attention_mask, visual_index, clip_positions).float()
        return _match_logit(aggregate_clips(output, self.clip_aggregation))

    def _outputs(self, batch: Batch) -> Tensor:
        return run_model(self, batch)

    def _losses(self, batch: Batch, output: Tensor) -> StepOutput:
        labels = batch.targets.get("labels")
        if labels is None:
            return StepOutput(sums={_LOSS: output[:0].sum()})
        rows = labels >= 0
        loss = self._ranking_loss if self.loss == "rank" else self._two_class_loss
        return StepOutput(sums={_LOSS: loss(batch, output, labels, rows)})

    def _two_class_loss(self, batch: Batch, output: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        counts = torch.tensor(batch.num_texts, device=labels.device)
        own_text = counts.cumsum(0) - counts + labels
        classes = torch.zeros(len(output), dtype=torch.int64, device=labels.device)
        classes[own_text[rows]] = 1
        chosen = rows.repeat_interleave(counts)
        return multi_clip_cross_entropy(output[chosen], classes[chosen], self.clip_aggregation).sum()

    def _ranking_loss(self, batch: Batch, output: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        pooled = aggregate_clips(output, self.clip_aggregation).squeeze(-1)
        scores, own = by_record(pooled, batch)[rows].sigmoid(), labels[rows, None]
        violations = functional.relu(self.margin + scores - scores.gather(1, own))
        numbers = torch.tensor(batch.num_texts, device=labels.device)[rows, None]
        places = torch.arange(scores.shape[1], device=labels.device)
        return violations[(places < numbers) & (places != own)].sum()

    def _predictions(self, batch: Batch, output: Tensor) -> list[Prediction]:
        """Return a row's texts, best first, with the probability that each matches; not a distribution."""
        pooled = _match_logit(aggregate_clips(output, self.clip_aggregation))
        return build_predictions(
            batch,
            pooled_logits=by_record(pooled, batch),
            clip_logits=by_record(_match_logit(output), batch).transpose(1, 2),
            probabilities=torch.sigmoid,
            answers_of=options_of,
            top_k=max(batch.num_texts),
        )


def _match_logit(output: Tensor) -> Tensor:
    """Return the matching score: (..., 2) or (..., 1) -> (...)."""
    return output[..., 1] - output[..., 0] if output.shape[-1] > 1 else output[..., 0]
