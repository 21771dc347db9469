"""Duplicate detection as a search: each recording asks for the others of its bug."""

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
    """The ranks of each recording's duplicates.

    Args:
        similarity: (recordings, recordings), row = query; the diagonal is not looked at.
        apps, bugs: of each recording; a bug is one of its app.
        setting: candidates are the other recordings of the same app, as in Tango and Janus, or of all apps.

    Returns:
        Index of the query -> ranks; recordings without a duplicate ask nothing.
    """
    queries = {}
    for index in range(len(apps)):
        candidates = candidates_of(index, apps=apps, setting=setting)
        right = [
            place
            for place, other in enumerate(candidates)
            if (apps[other], bugs[other]) == (apps[index], bugs[index])
        ]
        if right:
            queries[index] = rank_query(similarity[index, candidates], right)
    return queries


def candidates_of(index: int, *, apps: Sequence[str], setting: Setting) -> list[int]:
    """The recordings among which the duplicates of one are looked for."""
    return [
        other
        for other in range(len(apps))
        if other != index and (setting == "all_apps" or apps[other] == apps[index])
    ]


def random_mrr(queries: dict[int, QueryRank], *, apps: Sequence[str], setting: Setting) -> float:
    """The expected mean reciprocal rank of random orders for these queries.

    Raises:
        ValueError: there are no queries.
    """
    if not queries:
        raise ValueError("no queries to score")
    expected = [
        chance_mrr([len(query.ranks)], len(candidates_of(index, apps=apps, setting=setting)))
        for index, query in queries.items()
    ]
    return float(np.mean(expected))
