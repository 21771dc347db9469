"""Turn logits into predictions: probabilities, the best answers, and the answer and times of each clip."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clipbug.data.loading.batch import Batch
from clipbug.data.records import QuestionOrChoice, Record
from clipbug.tasks.base import ClipPrediction, Prediction


class Answers(Protocol):
    """The answers that classes stand for."""

    def __len__(self) -> int: ...

    def answer_at(self, index: int) -> str:
        """Return the answer of a class."""
        ...


class ListedAnswers(tuple[str, ...]):
    """Answers in the order of their classes."""

    __slots__ = ()

    def answer_at(self, index: int) -> str:
        """Return the answer of a class."""
        return self[index]


def build_predictions(
    batch: Batch,
    *,
    pooled_logits: Tensor,
    clip_logits: Tensor,
    probabilities: Callable[[Tensor], Tensor],
    answers_of: Callable[[Record], Answers],
    top_k: int,
    expected: Sequence[str | None] | None = None,
) -> list[Prediction]:
    """Return one prediction per record, in order.

    Args:
        batch: what the logits were computed from.
        pooled_logits: clips aggregated.
        clip_logits: each clip alone.
        probabilities: from logits, over the last axis.
        answers_of: the answers of a record. Where it has fewer than K, the classes behind them stand for
            nothing: their logits are so low that their probability is 0, and no prediction holds them.
        top_k: length of `Prediction.top`; all answers if there are fewer.
        expected: the right answers, where known.

    Shape:
        pooled_logits: (R, K); clip_logits: (R, N, K).
    """
    pooled, clips = _to_numpy(pooled_logits), _to_numpy(clip_logits)
    pooled_probabilities = _to_numpy(probabilities(pooled_logits))
    clip_probabilities = _to_numpy(probabilities(clip_logits))
    predictions = []
    for row, (record, visual) in enumerate(zip(batch.records, batch.visual_of_records(), strict=True)):
        answers = answers_of(record)
        own = slice(len(answers))
        # stable: equal logits give the lower class first
        order = np.argsort(-pooled[row, own], kind="stable")[:top_k]
        top = tuple(
            (answers.answer_at(int(index)), float(pooled_probabilities[row, index])) for index in order
        )
        predictions.append(
            Prediction(
                record_id=record.record_id,
                question_id=record.question_id if isinstance(record, QuestionOrChoice) else record.record_id,
                media_id=record.media_id,
                question=record.text,
                answer=top[0][0],
                probability=top[0][1],
                top=top,
                clips=tuple(_clip_predictions(batch, visual, clip_probabilities[row, :, own], answers)),
                pooled_logits=pooled[row, own],
                clip_logits=clips[row, :, own],
                expected=None if expected is None else expected[row],
            )
        )
    return predictions


def _clip_predictions(
    batch: Batch, visual: int, probabilities: NDArray[np.float32], answers: Answers
) -> Iterator[ClipPrediction]:
    spans, times = batch.clip_spans[visual].tolist(), batch.frame_seconds[visual].tolist()
    for clip, (start, end) in enumerate(spans):
        best = int(np.argmax(probabilities[clip]))
        yield ClipPrediction(
            start_seconds=start,
            end_seconds=end,
            frame_seconds=tuple(times[clip]),
            answer=answers.answer_at(best),
            probability=float(probabilities[clip, best]),
        )


def _to_numpy(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.detach().float().cpu().numpy()
    return array
