"""Score duplicate detection as retrieval: each recording is a query for the others of its bug."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clipbug.metrics.ranking import QueryRank, chance_mrr, rank_query

Setting = Literal["own_app", "all_apps"]


def duplicate_queries(
    similarity: NDArray[np.floating[Any]],
    *,
    apps: Sequence[str],
    bugs: Sequence[str],
    setting: Setting,
) -> dict[int, QueryRank]:
    """Rank the duplicates of each recording.

    Args:
        similarity: (recordings, recordings), row = query; the diagonal is ignored.
        apps: App of each recording.
        bugs: Bug of each recording; bugs of different apps are different.
        setting: Candidates are the other recordings of the same app, as in Tango and Janus, or of all apps.

    Returns:
        Index of the query -> ranks; recordings without a duplicate are no queries.
    """
    queries = {}
    for index in range(len(apps)):
        candidates = candidates_of(index, apps=apps, setting=setting)
        right = [
            position
            for position, other in enumerate(candidates)
            if (apps[other], bugs[other]) == (apps[index], bugs[index])
        ]
        if right:
            queries[index] = rank_query(similarity[index, candidates], right)
    return queries


def candidates_of(index: int, *, apps: Sequence[str], setting: Setting) -> list[int]:
    """Return the recordings among which the duplicates of one are searched."""
    return [
        other
        for other in range(len(apps))
        if other != index and (setting == "all_apps" or apps[other] == apps[index])
    ]


def random_mrr(queries: dict[int, QueryRank], *, apps: Sequence[str], setting: Setting) -> float:
    """Return the expected mean reciprocal rank of random rankings for these queries.

    Args:
        queries: Index of the query -> ranks.
        apps: App of each recording.
        setting: As for `duplicate_queries`.

    Returns:
        The expected score.

    Raises:
        ValueError: `queries` is empty.
    """
    if not queries:
        raise ValueError("queries must not be empty")
    expected = [
        chance_mrr([len(query.ranks)], len(candidates_of(index, apps=apps, setting=setting)))
        for index, query in queries.items()
    ]
    return float(np.mean(expected))
