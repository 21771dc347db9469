"""Score retrieval in both directions, from the score of every text with every recording."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.config.task import RetrievalConfig
from clipbug.data.annotations.retrieval_set import RetrievalSet
from clipbug.errors import DataError
from clipbug.evaluation.scores import RetrievalScores
from clipbug.metrics.groups import GroupScore
from clipbug.metrics.retrieval import direction_scores

MAIN_SCORE = "mrr"


def score_retrieval(found: RetrievalSet, scores: NDArray[np.floating[Any]]) -> RetrievalScores:
    """Score a search among recordings by texts, and the other way round.

    Text to video, every row is a query among all recordings; video to text, every recording among the
    distinct texts. The main score is the mean reciprocal rank of text to video: of few queries, it tells
    more than R@1. It is 1 at best (`ceiling`), because rows of one caption share their right recordings.

    Args:
        found: rows, and what belongs to what.
        scores: (rows, recordings), in the order of `found`.

    Raises:
        DataError: there are no rows.
    """
    if not found.rows:
        raise DataError("there is no row to score", "name an annotation file with captions: --data FILE")
    app_of_media = {row.media_id: row.app for row in found.rows if row.app is not None}
    right = [found.right_media[text] for text in found.text_of_row]
    forward = direction_scores(
        scores,
        right,
        apps=[row.app for row in found.rows],
        clusters=[found.media_ids[min(items)] for items in right],
    )
    row_of_text = {text: row for row, text in enumerate(found.text_of_row)}  # equal texts have equal scores
    backward = direction_scores(
        scores[[row_of_text[text] for text in range(len(found.texts))]].T,
        found.right_texts,
        apps=[app_of_media.get(media_id) for media_id in found.media_ids],
        clusters=found.media_ids,
    )
    return RetrievalScores(
        task=RetrievalConfig.task_name(),
        score=forward.ranks[MAIN_SCORE],
        metric=MAIN_SCORE,
        count=forward.count,
        texts=len(found.texts),
        recordings=len(found.media_ids),
        interval=forward.interval,
        ceiling=1.0,
        ties=forward.ranks["ties"],
        baselines={"random": forward.chance},
        by_app={app: GroupScore(own[MAIN_SCORE], int(own["count"])) for app, own in forward.by_app.items()},
        text2video=forward,
        video2text=backward,
    )


def validation_scores(found: RetrievalSet, columns: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    """Return what is logged at each validation: the main score, and mRR, R@k and ranks of both directions."""
    scored = score_retrieval(found, matrix_of(found, columns))
    names = ("mrr", "map", "r@1", "r@5", "r@10", "median_rank", "mean_rank")
    directions = {"text2video": scored.text2video, "video2text": scored.video2text}
    return {"score": scored.score} | {
        f"{direction}/{name}": summary.ranks[name]
        for direction, summary in directions.items()
        if summary is not None
        for name in names
    }


def matrix_of(found: RetrievalSet, columns: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return (rows, recordings) from the scores (texts,) of each recording; -inf for recordings without."""
    none = np.full(len(found.texts), -np.inf, dtype=np.float32)
    by_text = np.stack([columns.get(media_id, none) for media_id in found.media_ids], axis=1)
    return by_text[list(found.text_of_row)]
