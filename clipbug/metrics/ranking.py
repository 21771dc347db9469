"""How well the right items stand in a ranking: retrieval in both directions, duplicates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class QueryRank:
    """Where the right candidates of one query stand.

    Wrong candidates of the same score count as standing before the right ones, so that a model that gives
    equal scores to all gains nothing.

    Attributes:
        ranks: of the right candidates, 1 = best, rising.
        is_tied: whether a wrong candidate has exactly the score of a right one.
    """

    ranks: tuple[int, ...]
    is_tied: bool

    @property
    def best(self) -> int:
        """Rank of the right candidate that stands first."""
        return self.ranks[0]

    @property
    def reciprocal(self) -> float:
        """1 / best rank."""
        return 1.0 / self.best

    @property
    def average_precision(self) -> float:
        """Mean, over the right candidates, of the share of right ones down to each of them."""
        return fmean(found / rank for found, rank in enumerate(self.ranks, start=1))


def rank_query(scores: NDArray[np.floating[Any]], right: Collection[int]) -> QueryRank:
    """The ranks of the right candidates of one query.

    Args:
        scores: (candidates,), higher is better; not NaN.
        right: indices of the right candidates.

    Raises:
        ValueError: nothing is right, or a score is NaN.
    """
    indices = sorted(right)
    if not indices:
        raise ValueError("a query needs a right candidate")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN, which stands nowhere in a ranking")
    of_right = np.sort(scores[indices])[::-1]
    wrong = np.sort(np.delete(scores, indices))
    # Before the k-th right candidate stand k right ones, and the wrong ones that score as high or higher.
    before = len(wrong) - np.searchsorted(wrong, of_right, side="left")
    ranks = tuple(int(rank) for rank in before + np.arange(1, len(indices) + 1))
    return QueryRank(ranks, bool(np.isin(of_right, wrong).any()))


def rank_queries(scores: NDArray[np.floating[Any]], right: Sequence[Collection[int]]) -> list[QueryRank]:
    """`rank_query` of every row of `scores` (queries, candidates).

    Raises:
        ValueError: as `rank_query`; or `right` has another number of queries.
    """
    return [rank_query(row, items) for row, items in zip(scores, right, strict=True)]


def ranking_scores(queries: Sequence[QueryRank]) -> dict[str, float]:
    """The scores of a set of queries.

    `mrr` and `map` as Tango and Janus report them; `r@k` (as the retrieval papers call it) and `hit@k` (as
    Tango does) are one number under two names: the share of queries with a right candidate among the first k.
    Shares are in [0, 1]; `ties` is the number of queries whose rank the rule for ties decided.

    Raises:
        ValueError: there are no queries.
    """
    if not queries:
        raise ValueError("no queries to score")
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
    """The mean over groups (apps) of each score, every group weighing the same; ties add up.

    Raises:
        ValueError: there are no groups.
    """
    if not by_group:
        raise ValueError("no groups to average")
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
    """The expected mean reciprocal rank of a random order.

    Args:
        num_right: right candidates of each query.
        num_candidates: right and wrong ones.

    Raises:
        ValueError: there are no queries.
    """
    if not num_right:
        raise ValueError("no queries to score")
    by_count = {count: _expected_reciprocal(count, num_candidates) for count in set(num_right)}
    return fmean(by_count[count] for count in num_right)


def _expected_reciprocal(num_right: int, num_candidates: int) -> float:
    """Sum over ranks of 1 / rank times the chance that the first right candidate stands there."""
    expected, none_so_far = 0.0, 1.0
    for rank in range(1, num_candidates - num_right + 2):
        here = num_right / (num_candidates - rank + 1)
        expected += none_so_far * here / rank
        none_so_far *= 1 - here
    return expected
