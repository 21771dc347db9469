"""Duplicate detection as a search, by hand."""

import numpy as np
import pytest

from clipbug.data.annotations.duplicates import BugRecording
from clipbug.errors import DataError
from clipbug.evaluation.duplicates import score_duplicates
from clipbug.metrics.duplicates import candidates_of, duplicate_queries, random_mrr
from clipbug.metrics.ranking import QueryRank

APPS = ["x", "x", "x", "x", "y", "y"]
BUGS = ["1", "1", "2", "3", "1", "1"]
SIMILARITY = np.array(
    [
        [9.0, 0.5, 0.9, 0.1, 0.8, 0.0],
        [0.5, 9.0, 0.4, 0.5, 0.0, 0.0],
        [0.9, 0.4, 9.0, 0.0, 0.0, 0.0],
        [0.1, 0.5, 0.0, 9.0, 0.0, 0.0],
        [0.8, 0.0, 0.0, 0.0, 9.0, 0.3],
        [0.0, 0.0, 0.0, 0.0, 0.3, 9.0],
    ]
)


def test_own_app_and_all_apps() -> None:
    own = duplicate_queries(SIMILARITY, apps=APPS, bugs=BUGS, setting="own_app")
    # 0: 2 stands before 1; 1: 3 ties with 0, which counts against; 2 and 3 have no duplicate
    assert own == {
        0: QueryRank((2,), is_tied=False),
        1: QueryRank((2,), is_tied=True),
        4: QueryRank((1,), is_tied=False),
        5: QueryRank((1,), is_tied=False),
    }
    every = duplicate_queries(SIMILARITY, apps=APPS, bugs=BUGS, setting="all_apps")
    assert [every[index].ranks for index in (0, 1, 4, 5)] == [(3,), (2,), (2,), (1,)]
    assert candidates_of(4, apps=APPS, setting="own_app") == [5]
    assert candidates_of(1, apps=APPS, setting="all_apps") == [0, 2, 3, 4, 5]


def test_scores_beside_chance_and_baselines() -> None:
    recordings = [
        BugRecording(f"v{index}", app, bug) for index, (app, bug) in enumerate(zip(APPS, BUGS, strict=True))
    ]
    scores = score_duplicates(
        recordings, {"model": SIMILARITY, "model_unordered": SIMILARITY, "other": np.zeros((6, 6))}
    ).to_json()
    assert scores["score"] == pytest.approx((1 / 2 + 1 / 2 + 1 + 1) / 4)
    assert (scores["count"], scores["without_duplicate"], scores["ties"]) == (4, 2, 1)
    assert scores["by_app"] == {"x": {"score": 0.5, "count": 2}, "y": {"score": 1.0, "count": 2}}
    # of equal scores the wrong ones stand first: rank 3 of 3 and 1 of 1
    assert scores["baselines"] == {
        "random": pytest.approx(((1 + 1 / 2 + 1 / 3) / 3 + 1) / 2),
        "other": pytest.approx((1 / 3 + 1) / 2),
    }
    assert scores["settings"]["own_app"]["model"]["macro"]["mrr"] == pytest.approx(0.75)


def test_without_any_duplicate_there_is_nothing_to_score() -> None:
    with pytest.raises(DataError, match="no bug has two recordings"):
        score_duplicates([BugRecording("a", "x", "1")], {"model": np.zeros((1, 1))})
    with pytest.raises(ValueError, match="must not be empty"):
        random_mrr({}, apps=[], setting="own_app")
