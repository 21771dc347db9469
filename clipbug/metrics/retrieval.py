"""Scores of text-to-video and video-to-text retrieval, over all queries and by app."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.metrics.intervals import bootstrap_interval
from clipbug.metrics.ranking import QueryRank, chance_mrr, macro_average, rank_queries, ranking_scores


def direction_scores(
    scores: NDArray[np.floating[Any]],
    right: Sequence[Collection[int]],
    *,
    apps: Sequence[str | None],
    clusters: Sequence[str],
) -> dict[str, Any]:
    """Score one direction of retrieval.

    Args:
        scores: (queries, candidates).
        right: The relevant candidates of each query.
        apps: App of each query, or None.
        clusters: Cluster of each query; the interval resamples clusters, not queries.

    Returns:
        The scores of `ranking_scores`, and `count`, `candidates`, `chance` (MRR of a random ranking),
        `interval` (of MRR, 95 %), `by_app` (app -> scores), `macro` (mean over apps; null without apps).

    Raises:
        ValueError: There are no queries, or one without a relevant candidate.
    """
    queries = rank_queries(scores, right)
    by_app = _by_app(queries, apps)
    reciprocal = [query.reciprocal for query in queries]
    return {
        **ranking_scores(queries),
        "count": len(queries),
        "candidates": int(scores.shape[1]),
        "chance": chance_mrr([len(set(items)) for items in right], int(scores.shape[1])),
        "interval": list(bootstrap_interval(reciprocal, clusters)),
        "by_app": {app: {**ranking_scores(own), "count": len(own)} for app, own in by_app.items()},
        "macro": macro_average({app: ranking_scores(own) for app, own in by_app.items()}) if by_app else None,
    }


def _by_app(queries: Sequence[QueryRank], apps: Sequence[str | None]) -> dict[str, list[QueryRank]]:
    members: dict[str, list[QueryRank]] = {}
    for query, app in zip(queries, apps, strict=True):
        if app is not None:
            members.setdefault(app, []).append(query)
    return {app: members[app] for app in sorted(members)}
