"""Scores of text-to-video and video-to-text search, of all queries and by app."""

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
    """Scores of one direction of a search.

    Args:
        scores: (queries, candidates).
        right: the right candidates of each query.
        apps: of each query; None: of none.
        clusters: what each query belongs to; the interval draws clusters, not queries.

    Returns:
        What `ranking_scores` gives, and `count`, `candidates`, `chance` (mRR of a random order), `interval`
        (of mRR, 95 %), `by_app` (app -> scores), `macro` (mean over apps; null without apps).

    Raises:
        ValueError: there are no queries, or one without a right candidate.
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
