"""Pre-training on captions: masked language modelling and visual-text matching."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional

from clipbug.data.loading.batch import Batch
from clipbug.data.records import Record
from clipbug.metrics.answers import mean
from clipbug.models.aggregation import ClipAggregation, aggregate_clips, multi_clip_cross_entropy
from clipbug.models.outputs import PretrainingOutput
from clipbug.tasks.base import Metric, Prediction, StepOutput
from clipbug.tasks.one_output import OneOutputTask
from clipbug.tasks.predictions import ListedAnswers, build_predictions

_ANSWERS = ListedAnswers(("mismatch", "match"))


class MatchingAccuracy:
    """The share of texts that the model assigns rightly to their media item or to another."""

    name = "matching_accuracy"

    def __call__(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> Mapping[str, float]:
        """Return the accuracy; a record without prediction counts as wrong.

        Raises:
            ValueError: a prediction does not carry the expected answer, which the record alone does not tell.
        """
        unknown = [prediction.record_id for prediction in predictions if prediction.expected is None]
        if unknown:
            raise ValueError(f"no expected answer in the predictions of {unknown[:3]}")
        right = {prediction.record_id: prediction.answer == prediction.expected for prediction in predictions}
        return {self.name: mean([float(right.get(record.record_id, False)) for record in records])}


class Pretraining(OneOutputTask[PretrainingOutput]):
    """Predict hidden tokens of a caption, and whether the caption belongs to the visual.

    Every clip predicts the hidden tokens (`targets["mlm"]` (Q, L), -100 = not hidden) on its own; the
    loss of a token is the mean over clips. Matching (`targets["matching"]` (Q,), 1 = belongs) is a multi-clip
    cross entropy of two classes.

    Args:
        model: (frames, input_ids, attention_mask, visual_index, clip_positions) -> PretrainingOutput.
        clip_aggregation: how the clips' matching scores become one.
        losses: which of the two.
        mlm_places: a text counts as so many targets in training, however many tokens are hidden: the original
            averages over all places of its padded texts. None: the hidden tokens count.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        clip_aggregation: ClipAggregation,
        losses: Sequence[str] = ("mlm", "matching"),
        mlm_places: int | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.clip_aggregation = clip_aggregation
        self.losses = tuple(losses)
        self.mlm_places = mlm_places

    def count_targets(self, batch: Batch) -> Mapping[str, int]:
        """Count hidden tokens (or all tokens), and rows with a known matching label."""
        counts = {name: int((batch.targets[name] >= 0).sum()) for name in self.losses}
        if "mlm" in counts and self.mlm_places is not None and self.training:
            counts["mlm"] = self.mlm_places * len(batch.targets["mlm"])
        return counts

    def metric(self) -> Metric:
        """Return the accuracy of matching."""
        return MatchingAccuracy()

    def _losses(self, batch: Batch, output: PretrainingOutput) -> StepOutput:
        sums = {}
        if "mlm" in self.losses:
            sums["mlm"] = _mlm_loss(output.mlm_logits, batch.targets["mlm"])
        if "matching" in self.losses:
            sums["matching"] = self._matching_loss(output.matching_logits.float(), batch.targets["matching"])
        return StepOutput(sums=sums)

    def _predictions(self, batch: Batch, output: PretrainingOutput) -> list[Prediction]:
        logits = output.matching_logits.float()
        labels = batch.targets.get("matching")
        return build_predictions(
            batch,
            pooled_logits=aggregate_clips(logits, self.clip_aggregation),
            clip_logits=logits,
            probabilities=lambda values: values.softmax(dim=-1),
            answers_of=lambda record: _ANSWERS,
            top_k=len(_ANSWERS),
            expected=None if labels is None else [_answer_of(label) for label in labels.tolist()],
        )

    def _outputs(self, batch: Batch) -> PretrainingOutput:
        output: PretrainingOutput = self.model(
            batch.frames, batch.input_ids, batch.attention_mask, batch.visual_index, batch.clip_positions
        )
        return output

    def _matching_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        rows = labels >= 0
        return multi_clip_cross_entropy(logits[rows], labels[rows], self.clip_aggregation).sum()


def _answer_of(label: int) -> str | None:
    return _ANSWERS[label] if label >= 0 else None


def _mlm_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross entropy of hidden tokens in fp32, summed over tokens, mean over clips.

    Shape:
        logits: (Q, N, L, vocabulary); labels: (Q, L).
    """
    num_clips = logits.shape[1]
    hidden = labels >= 0
    chosen = logits.transpose(1, 2)[hidden].float()  # (M, N, vocabulary): only hidden tokens are worth fp32
    targets = labels[hidden].unsqueeze(1).expand(-1, num_clips)
    return functional.cross_entropy(chosen.flatten(0, 1), targets.flatten(), reduction="sum") / num_clips
