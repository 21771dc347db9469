"""Scores of text-to-video and video-to-text retrieval, over all queries and by app."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.metrics.intervals import bootstrap_interval
from clipbug.metrics.ranking import (
    QueryRank,
    RankSummary,
    chance_mrr,
    macro_average,
    rank_queries,
    ranking_scores,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionScores(RankSummary):
    """Rank scores of one direction of a search.

    Attributes:
        candidates: number of items that are ranked for each query.
        chance: mean reciprocal rank of a random order.
        interval: 95 % interval of the mean reciprocal rank.
    """

    candidates: int
    chance: float
    interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """Return one object with all scores."""
        own = {"candidates": self.candidates, "chance": self.chance, "interval": list(self.interval)}
        return {**RankSummary.to_json(self), **own}


def direction_scores(
    scores: NDArray[np.floating[Any]],
    right: Sequence[Collection[int]],
    *,
    apps: Sequence[str | None],
    clusters: Sequence[str],
) -> DirectionScores:
    """Score one direction of retrieval.

    Args:
        scores: (queries, candidates).
        right: The relevant candidates of each query.
        apps: App of each query, or None.
        clusters: Cluster of each query; the interval resamples clusters, not queries.

    Returns:
        The scores over all queries and by app.

    Raises:
        ValueError: There are no queries, or one without a relevant candidate.
    """
    queries = rank_queries(scores, right)
    by_app = _by_app(queries, apps)
    reciprocal = [query.reciprocal for query in queries]
    scored = {app: ranking_scores(own) for app, own in by_app.items()}
    return DirectionScores(
        ranks=ranking_scores(queries),
        count=len(queries),
        by_app={app: {**scored[app], "count": len(own)} for app, own in by_app.items()},
        macro=macro_average(scored) if by_app else None,
        candidates=int(scores.shape[1]),
        chance=chance_mrr([len(set(items)) for items in right], int(scores.shape[1])),
        interval=bootstrap_interval(reciprocal, clusters),
    )


def _by_app(queries: Sequence[QueryRank], apps: Sequence[str | None]) -> dict[str, list[QueryRank]]:
    members: dict[str, list[QueryRank]] = {}
    for query, app in zip(queries, apps, strict=True):
        if app is not None:
            members.setdefault(app, []).append(query)
    return {app: members[app] for app in sorted(members)}
