"""Ranks and their scores against sorting by hand, against the original, and at their edges."""

import json
from itertools import permutations
from pathlib import Path
from statistics import fmean, median

import numpy as np
import pytest

from clipbug.metrics.ranking import (
    QueryRank,
    chance_mrr,
    macro_average,
    rank_queries,
    rank_query,
    ranking_scores,
)

ORIGINAL = json.loads(Path(__file__).with_name("original_scores.json").read_text(encoding="utf-8"))


def naive_ranks(scores: list[float], right: set[int]) -> list[int]:
    """Sort the candidates, wrong ones first among equals, and read off where the right ones stand."""
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index in right))
    return [place for place, index in enumerate(order, start=1) if index in right]


def test_ranks_and_scores_equal_sorting_by_hand() -> None:
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 8, (40, 23)).astype(np.float32)  # few values: many ties
    right = [set(generator.choice(23, generator.integers(1, 6), replace=False).tolist()) for _ in range(40)]
    naive = [naive_ranks(row.tolist(), items) for row, items in zip(scores, right, strict=True)]
    queries = rank_queries(scores, right)
    assert [list(query.ranks) for query in queries] == naive
    result = ranking_scores(queries)
    assert result["mrr"] == pytest.approx(fmean(1 / ranks[0] for ranks in naive))
    precisions = [[sum(one <= rank for one in ranks) / rank for rank in ranks] for ranks in naive]
    assert result["map"] == pytest.approx(fmean(fmean(row) for row in precisions))
    for k in (1, 5, 10):
        assert result[f"r@{k}"] == result[f"hit@{k}"] == fmean(ranks[0] <= k for ranks in naive)
    assert result["median_rank"] == median(ranks[0] for ranks in naive)
    assert result["mean_rank"] == pytest.approx(fmean(ranks[0] for ranks in naive))
    tied = [
        any(scores[q, i] == scores[q, j] for i in right[q] for j in set(range(23)) - right[q])
        for q in range(40)
    ]
    assert result["ties"] == sum(tied) > 0


def test_both_directions_equal_the_original() -> None:
    case = ORIGINAL["retrieval_1to1"]
    scores = np.array(case["scores"])
    own = [{case["videos_in_order"].index(video)} for video in case["caption_video"]]
    for direction, matrix in (("text2video", scores), ("video2text", scores.T)):
        result, expected = ranking_scores(rank_queries(matrix, own)), case["metrics"][direction]
        for ours, theirs in (("r@1", "r1"), ("r@5", "r5"), ("r@10", "r10")):
            assert 100 * result[ours] == pytest.approx(expected[theirs])
        assert result["median_rank"] == expected["medianR"]
        assert result["mean_rank"] == pytest.approx(expected["meanR"])
        assert result["ties"] == 0


def test_captions_to_videos_equal_the_original_with_three_captions_per_video() -> None:
    """The other direction does not: the original takes the last caption of a video for its only one."""
    case = ORIGINAL["retrieval_3_captions_per_video"]
    videos = list(dict.fromkeys(case["videos_in_order"]))
    scores = np.array(case["scores"])[:, : len(videos)]  # it keeps the first score of a repeated video
    result = ranking_scores(rank_queries(scores, [{videos.index(name)} for name in case["caption_video"]]))
    expected = case["metrics"]["text2video"]
    assert 100 * result["r@1"] == pytest.approx(expected["r1"])
    assert (result["median_rank"], result["mean_rank"]) == (
        expected["medianR"], pytest.approx(expected["meanR"])
    )  # fmt: skip


def test_equal_scores_count_against_the_model() -> None:
    query = rank_query(np.zeros(5), {1, 3})
    assert query == QueryRank((4, 5), is_tied=True)
    assert query.average_precision == pytest.approx((1 / 4 + 2 / 5) / 2)
    assert rank_query(np.array([0.0, 1.0, 1.0, 0.0]), {1, 2}) == QueryRank((1, 2), is_tied=False)


def test_scores_are_not_rounded() -> None:
    close = np.array([0.123401, 0.123402])  # equal to four decimals, as the original rounds
    assert rank_query(close, {1}).ranks == (1,)


def test_what_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="at least one candidate"):
        rank_query(np.zeros(3), ())
    with pytest.raises(ValueError, match="NaN"):
        rank_query(np.array([0.0, np.nan]), {0})
    with pytest.raises(ValueError, match="must not be empty"):
        ranking_scores([])


def test_apps_weigh_the_same_in_the_macro_average() -> None:
    one = ranking_scores([QueryRank((1,), is_tied=True)])
    other = ranking_scores([QueryRank((2,), is_tied=False)] * 9)
    average = macro_average({"a": one, "b": other})
    assert average["mrr"] == 0.75
    assert average["ties"] == 1
    with pytest.raises(ValueError, match="by_group must not be empty"):
        macro_average({})


def test_chance_is_the_mean_over_all_orders() -> None:
    for num_right in (1, 2, 4):
        orders = permutations(range(5))
        exact = fmean(1 / min(order[index] + 1 for index in range(num_right)) for order in orders)
        assert chance_mrr([num_right], 5) == pytest.approx(exact)
    assert chance_mrr([1, 4], 5) == pytest.approx((chance_mrr([1], 5) + chance_mrr([4], 5)) / 2)
