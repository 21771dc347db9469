"""Scores of all texts of a file with all its recordings, and the rankings that follow from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clipbug.builders.batches import BatchBuilder
from clipbug.builders.evaluators import encoded_texts
from clipbug.data.annotations.retrieval_set import RetrievalSet
from clipbug.data.records import Record
from clipbug.engine.retrieval import PairLogits, RecordingScores, score_recordings
from clipbug.evaluation.retrieval import matrix_of
from clipbug.inference.result_log import Result, ResultLog, compute_remaining
from clipbug.tasks.base import RankingTask

TOP_K = 100


@dataclass(frozen=True, slots=True)
class TextScores:
    """The scores of texts with recordings.

    Attributes:
        queries: rows, texts and recordings.
        scores: (rows, recordings); -inf for recordings that could not be read.
        pairs: id of a row -> logits with its own recording, where that could be read.
        resumed: recordings that an earlier process had scored.
    """

    queries: RetrievalSet
    scores: NDArray[np.float32]
    pairs: Mapping[str, PairLogits]
    resumed: int


def score_texts(
    log: ResultLog,
    builder: BatchBuilder,
    records: Sequence[Record],
    task: RankingTask,
    *,
    encode: Callable[[Tensor], Tensor],
) -> TextScores:
    """Score every row with every recording.

    Each recording is decoded and passed through the backbone once, by one process; all get the matrix.

    Args:
        log: keeps the results.
        builder: of batches.
        records: texts with their recordings.
        task: scores pairs of a text and a recording.
        encode: frames to their grid.
    """
    queries, texts = encoded_texts(builder.config, records, builder.text)
    compute = partial(
        score_recordings,
        task,
        texts=texts,
        precision=builder.config.precision,
        device=builder.processes.device,
        description="rank",
        encode=encode,
        with_pairs=True,
    )
    resumed = compute_remaining(
        log, builder, records, key=lambda record: record.media_id, compute=compute, to_result=_to_result
    )
    results = list(log.results(queries.media_ids))
    columns = {one.key: one.arrays["scores"] for one in results}
    pairs = {
        row: (pooled, clips)
        for one in results
        for row, pooled, clips in zip(
            one.content["rows"], one.arrays["pooled"], one.arrays["clips"], strict=True
        )
    }
    return TextScores(queries, matrix_of(queries, columns), pairs, resumed)


def _to_result(scored: RecordingScores) -> Result:
    pooled, clips = zip(*scored.pairs.values(), strict=True)
    arrays = {"scores": scored.scores, "pooled": np.stack(pooled), "clips": np.stack(clips)}
    return Result(scored.media_id, {"rows": list(scored.pairs)}, arrays)


def ranking_lines(result: TextScores) -> list[dict[str, Any]]:
    """Return one object of predictions.jsonl per row: the best recordings first, with their scores.

    Equal scores keep the order of the file; recordings that could not be read are left out.
    """
    lines = []
    for row, own in zip(result.queries.rows, result.scores, strict=True):
        order = [index for index in np.argsort(-own, kind="stable").tolist() if np.isfinite(own[index])]
        top = [[result.queries.media_ids[index], float(own[index])] for index in order[:TOP_K]]
        best, score = top[0] if top else (None, None)
        lines.append({"id": row.record_id, "text": row.text, "answer": best, "score": score, "top": top})
    return lines


def ranking_arrays(result: TextScores) -> dict[str, NDArray[Any]]:
    """Return the arrays of `--scores`, in the order of rows and recordings.

    As for every task: question_ids, media_ids (Q,), pooled_logits (Q, K) and clip_logits (Q, N, K), of each
    row with its own recording, NaN where that could not be read. Of rankings: recording_ids (M,) and
    scores (Q, M).
    """
    rows = result.queries.rows
    own = [result.pairs.get(row.record_id, (None, None)) for row in rows]
    return {
        "question_ids": np.array([row.record_id for row in rows]),
        "media_ids": np.array([row.media_id for row in rows]),
        "pooled_logits": _stacked([pooled for pooled, _ in own]),
        "clip_logits": _stacked([clips for _, clips in own]),
        "recording_ids": np.array(result.queries.media_ids),
        "scores": result.scores,
    }


def _stacked(arrays: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    """Stack arrays that may be absent or shorter (an image has one clip), with NaN for what is missing."""
    known = [array for array in arrays if array is not None]
    if not known:
        return np.full((len(arrays), 0), np.nan, np.float32)
    stacked = np.full((len(arrays), *np.max([array.shape for array in known], axis=0)), np.nan, np.float32)
    for row, array in zip(stacked, arrays, strict=True):
        if array is not None:
            row[tuple(map(slice, array.shape))] = array
    return stacked
