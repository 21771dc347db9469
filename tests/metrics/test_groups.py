"""Scores by group."""

import pytest

from clipbug.metrics.groups import GroupScore, scores_by_group


def test_means_by_group_in_order_of_names() -> None:
    grouped = scores_by_group([1.0, 0.0, 0.5, 1.0], ["what", "how", "what", None])
    assert grouped == {"how": GroupScore(0.0, 1), "what": GroupScore(0.75, 2)}
    assert list(grouped) == ["how", "what"]
    assert grouped["what"].to_json() == {"score": 0.75, "count": 2}


def test_no_groups_and_lengths_that_differ() -> None:
    assert scores_by_group([1.0], [None]) == {}
    with pytest.raises(ValueError, match="zip"):
        scores_by_group([1.0], [])
