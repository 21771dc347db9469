"""Rank-based scores for retrieval in both directions and for duplicates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class QueryRank:
    """Ranks of the relevant candidates of one query.

    Irrelevant candidates with an equal score are ranked first, so that a model that scores everything equally
    gains nothing.

    Attributes:
        ranks: Ranks of the relevant candidates, 1 = best, increasing.
        is_tied: Whether an irrelevant candidate has exactly the score of a relevant one.
    """

    ranks: tuple[int, ...]
    is_tied: bool

    @property
    def best(self) -> int:
        """Return the rank of the first relevant candidate."""
        return self.ranks[0]

    @property
    def reciprocal(self) -> float:
        """Return 1 / best rank."""
        return 1.0 / self.best

    @property
    def average_precision(self) -> float:
        """Return the mean over the relevant candidates of the precision at their ranks."""
        return fmean(found / rank for found, rank in enumerate(self.ranks, start=1))


def rank_query(scores: NDArray[np.floating[Any]], right: Collection[int]) -> QueryRank:
    """Rank the relevant candidates of one query.

    Args:
        scores: (candidates,), higher is better; not NaN.
        right: Indices of the relevant candidates.

    Returns:
        Their ranks.

    Raises:
        ValueError: `right` is empty, or a score is NaN.
    """
    indices = sorted(right)
    if not indices:
        raise ValueError("right must contain at least one candidate")
    if np.isnan(scores).any():
        raise ValueError("scores contain NaN, which cannot be ranked")
    of_right = np.sort(scores[indices])[::-1]
    wrong = np.sort(np.delete(scores, indices))
    # The rank of the k-th relevant candidate is k plus the irrelevant ones that score as high or higher.
    before = len(wrong) - np.searchsorted(wrong, of_right, side="left")
    ranks = tuple(int(rank) for rank in before + np.arange(1, len(indices) + 1))
    return QueryRank(ranks, bool(np.isin(of_right, wrong).any()))


def rank_queries(scores: NDArray[np.floating[Any]], right: Sequence[Collection[int]]) -> list[QueryRank]:
    """Apply `rank_query` to every row of `scores` (queries, candidates).

    Returns:
        One result per query.

    Raises:
        ValueError: As for `rank_query`; or `right` has another number of queries.
    """
    return [rank_query(row, items) for row, items in zip(scores, right, strict=True)]


def ranking_scores(queries: Sequence[QueryRank]) -> dict[str, float]:
    """Return the scores of a set of queries.

    `mrr` and `map` are computed as in Tango and Janus. `r@k` (retrieval papers) and `hit@k` (Tango) are two
    names of one number: the share of queries with a relevant candidate among the first k. Shares are in [0,
    1]; `ties` counts the queries whose rank was decided by the rule for ties.

    Args:
        queries: Ranks of each query.

    Returns:
        Scores by name.

    Raises:
        ValueError: `queries` is empty.
    """
    if not queries:
        raise ValueError("queries must not be empty")
    best = [query.best for query in queries]
    hits = {k: fmean(float(rank <= k) for rank in best) for k in CUTOFFS}
    return {
        "mrr": fmean(query.reciprocal for query in queries),
        "map": fmean(query.average_precision for query in queries),
        **{f"r@{k}": share for k, share in hits.items()},
        **{f"hit@{k}": share for k, share in hits.items()},
        "median_rank": float(median(best)),
        "mean_rank": fmean(best),
        "ties": float(sum(query.is_tied for query in queries)),
    }


def macro_average(by_group: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the unweighted mean of each score over groups (apps); ties are added.

    Args:
        by_group: Scores by group.

    Returns:
        Scores by name.

    Raises:
        ValueError: `by_group` is empty.
    """
    if not by_group:
        raise ValueError("by_group must not be empty")
    names = next(iter(by_group.values()))
    means = {name: fmean(scores[name] for scores in by_group.values()) for name in names}
    return means | {"ties": float(sum(scores["ties"] for scores in by_group.values()))}


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSummary:
    """Rank scores of some queries, overall and by app.

    Attributes:
        ranks: what `ranking_scores` returns.
        count: number of queries.
        by_app: app -> what `ranking_scores` returns for its queries, and their `count`.
        macro: mean over apps; None without apps.
    """

    ranks: Mapping[str, float]
    count: int
    by_app: Mapping[str, Mapping[str, float]]
    macro: Mapping[str, float] | None

    def to_json(self) -> dict[str, Any]:
        """Return one object with all scores."""
        return {
            **self.ranks,
            "count": self.count,
            "by_app": {app: dict(scores) for app, scores in self.by_app.items()},
            "macro": None if self.macro is None else dict(self.macro),
        }


def chance_mrr(num_right: Sequence[int], num_candidates: int) -> float:
    """Return the expected mean reciprocal rank of a random ranking.

    Args:
        num_right: Number of relevant candidates of each query.
        num_candidates: Number of all candidates.

    Returns:
        The expected score.

    Raises:
        ValueError: `num_right` is empty.
    """
    if not num_right:
        raise ValueError("num_right must not be empty")
    by_count = {count: _expected_reciprocal(count, num_candidates) for count in set(num_right)}
    return fmean(by_count[count] for count in num_right)


def _expected_reciprocal(num_right: int, num_candidates: int) -> float:
    """Return the sum over ranks of 1 / rank times the probability that the first relevant one has it."""
    expected, none_so_far = 0.0, 1.0
    for rank in range(1, num_candidates - num_right + 2):
        here = num_right / (num_candidates - rank + 1)
        expected += none_so_far * here / rank
        none_so_far *= 1 - here
    return expected
