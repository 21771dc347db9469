"""From logits to predictions: probabilities, the best answers, and what each clip says with its times."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clipbug.data.batch import Batch
from clipbug.data.records import QuestionRecord
from clipbug.tasks.base import ClipPrediction, Prediction

AnswerAt = Callable[[int], str]


def build_predictions(
    batch: Batch,
    *,
    pooled_logits: Tensor,
    clip_logits: Tensor,
    probabilities: Callable[[Tensor], Tensor],
    answer_at: AnswerAt,
    top_k: int,
    expected: Sequence[str | None] | None = None,
) -> list[Prediction]:
    """One prediction per text row, in order.

    Args:
        batch: what the logits were computed from.
        pooled_logits: clips aggregated.
        clip_logits: each clip alone.
        probabilities: from logits, over the last axis.
        answer_at: class -> answer.
        top_k: length of `Prediction.top`; all classes if there are fewer.
        expected: the right answers, where known.

    Shape:
        pooled_logits: (Q, K); clip_logits: (Q, N, K).
    """
    pooled, clips = _to_numpy(pooled_logits), _to_numpy(clip_logits)
    pooled_probabilities = _to_numpy(probabilities(pooled_logits))
    clip_probabilities = _to_numpy(probabilities(clip_logits))
    predictions = []
    for row, record in enumerate(batch.records):
        order = np.argsort(-pooled[row], kind="stable")[
            :top_k
        ]  # stable: equal logits give the lower class first
        top = tuple((answer_at(int(index)), float(pooled_probabilities[row, index])) for index in order)
        predictions.append(
            Prediction(
                record_id=record.record_id,
                question_id=record.question_id if isinstance(record, QuestionRecord) else record.record_id,
                media_id=record.media_id,
                question=record.text,
                answer=top[0][0],
                probability=top[0][1],
                top=top,
                clips=tuple(_clip_predictions(batch, row, clip_probabilities[row], answer_at)),
                pooled_logits=pooled[row],
                clip_logits=clips[row],
                expected=None if expected is None else expected[row],
            )
        )
    return predictions


def _clip_predictions(
    batch: Batch, row: int, probabilities: NDArray[np.float32], answer_at: AnswerAt
) -> Iterator[ClipPrediction]:
    visual = int(batch.visual_index[row])
    spans, times = batch.clip_spans[visual].tolist(), batch.frame_seconds[visual].tolist()
    for clip, (start, end) in enumerate(spans):
        best = int(np.argmax(probabilities[clip]))
        yield ClipPrediction(
            start_seconds=start,
            end_seconds=end,
            frame_seconds=tuple(times[clip]),
            answer=answer_at(best),
            probability=float(probabilities[clip, best]),
        )


def _to_numpy(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.detach().float().cpu().numpy()
    return array
