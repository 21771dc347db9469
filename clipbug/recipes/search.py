"""Retrieval on disk: all texts of a file against all its recordings, while training and in inference."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.config import RunConfig
from clipbug.data.loaders import EvaluationBatches
from clipbug.data.media import MediaSource
from clipbug.data.mixing import ChainedBatches
from clipbug.data.records import Record
from clipbug.data.retrieval_set import RetrievalSet
from clipbug.engine.ranking import EncodedTexts, RankingEvaluator, score_texts
from clipbug.recipes.assembly import TextParts, build_evaluation_batches
from clipbug.recipes.retrieval_scoring import matrix_of, validation_scores
from clipbug.runtime.distributed import Distributed
from clipbug.tasks.base import RankingTask

TOP_K = 100


def build_search_evaluator(
    config: RunConfig,
    records: Sequence[Record],
    media: MediaSource,
    text: TextParts,
    task: RankingTask,
    processes: Distributed,
) -> RankingEvaluator:
    """What scores the task on validation rows, as a search among all of them."""
    parts = _search_parts(config, records, media, text, task, processes)
    return RankingEvaluator(
        task,
        parts.batches,
        texts=parts.texts,
        score=partial(validation_scores, parts.found),
        precision=config.precision,
        distributed=processes,
    )


def search(
    config: RunConfig,
    records: Sequence[Record],
    media: MediaSource,
    text: TextParts,
    task: RankingTask,
    processes: Distributed,
) -> tuple[RetrievalSet, NDArray[np.float32]]:
    """The texts and recordings of the rows, and the score of every row with every recording.

    Each recording is decoded and passed through the backbone once, by one process; all get the matrix.
    """
    parts = _search_parts(config, records, media, text, task, processes)
    columns = score_texts(
        task,
        parts.batches,
        parts.texts,
        precision=config.precision,
        distributed=processes,
        description="search",
    )
    return parts.found, matrix_of(parts.found, columns)


def search_lines(found: RetrievalSet, scores: NDArray[np.float32]) -> list[dict[str, Any]]:
    """One object of predictions.jsonl per row: the best recordings first, with their scores.

    Equal scores stand in the order of the file.
    """
    lines = []
    for row, own in zip(found.rows, scores, strict=True):
        order = np.argsort(-own, kind="stable")[:TOP_K]
        top = [[found.media_ids[index], float(own[index])] for index in order.tolist()]
        lines.append(
            {"id": row.record_id, "text": row.text, "answer": top[0][0], "score": top[0][1], "top": top}
        )
    return lines


def search_arrays(found: RetrievalSet, scores: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """The arrays of `--scores`: text_ids (Q,), media_ids (M,), scores (Q, M), as rows and recordings come."""
    return {
        "text_ids": np.array([row.record_id for row in found.rows]),
        "media_ids": np.array(found.media_ids),
        "scores": scores,
    }


@dataclass(frozen=True, slots=True)
class _SearchParts:
    found: RetrievalSet
    texts: EncodedTexts
    batches: EvaluationBatches | ChainedBatches


def _search_parts(
    config: RunConfig,
    records: Sequence[Record],
    media: MediaSource,
    text: TextParts,
    task: RankingTask,
    processes: Distributed,
) -> _SearchParts:
    found = RetrievalSet.from_records(records)
    ids = text.tokenizer(list(found.texts), truncation=True, max_length=config.data.max_text_tokens)[
        "input_ids"
    ]
    one_row_each = list({row.media_id: row for row in reversed(records)}.values())[::-1]
    return _SearchParts(
        found,
        EncodedTexts(ids, text.tokenizer.pad_token_id),
        build_evaluation_batches(config, one_row_each, media, text, task, processes),
    )
