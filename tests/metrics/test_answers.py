"""Answer scores and ceilings."""

from collections.abc import Mapping

import pytest

from clipbug.metrics.answers import answer_score, best_score, ceiling, mean, out_of_vocabulary_share


@pytest.mark.parametrize(
    ("answer", "labels", "expected"),
    [
        ("OK", {"OK": 0.5, "Cancel": 0.25}, 0.5),
        (" ok ", {"OK": 0.5}, 0.5),
        ("log  in", {"Log in": 1.0}, 1.0),
        ("login", {"Log in": 1.0}, 0.0),
        ("stop", {"STOP": 0.25, "Stop": 0.25, "Start": 0.5}, 0.5),
        ("stop", {"STOP": 0.75, "Stop": 0.75}, 1.0),
        ("STRASSE", {"straße": 1.0}, 1.0),
        ("no", {}, 0.0),
        (None, {"OK": 1.0}, 0.0),
    ],
)
def test_answer_score(answer: str | None, labels: Mapping[str, float], expected: float) -> None:
    assert answer_score(answer, labels) == expected


def test_best_score_of_all_answers_and_of_a_vocabulary() -> None:
    labels = {"OK": 0.5, "STOP": 0.3, "Stop": 0.3}
    assert best_score(labels) == 0.6
    assert best_score(labels, {"ok"}) == 0.5
    assert best_score(labels, {"back"}) == 0.0
    assert best_score({}) == 0.0


def test_ceiling_counts_split_labels_and_missing_answers() -> None:
    rows = [{"OK": 0.5, "Cancel": 0.5}, {"Launch": 1.0}, {"Home": 1.0}, {"Menu": 0.25, "Chat": 0.75}]
    assert ceiling(rows) == (0.5 + 1 + 1 + 0.75) / 4
    assert ceiling(rows, ["ok", "LAUNCH", "menu"]) == (0.5 + 1 + 0 + 0.25) / 4
    assert out_of_vocabulary_share(rows, ["ok", "LAUNCH", "menu"]) == 0.25
    assert out_of_vocabulary_share(rows, []) == 1.0


def test_no_answer_beats_the_ceiling() -> None:
    rows = [{"OK": 0.5, "Cancel": 0.4}, {"Launch": 1.0}, {"ok": 0.2, "OK": 0.3, "Home": 0.4}]
    vocabulary = ["Ok", "cancel", "Home", "Launch"]
    best = mean([max(answer_score(answer, row) for answer in vocabulary) for row in rows])
    assert ceiling(rows, vocabulary) == best


def test_an_empty_set_has_no_score() -> None:
    for function in (mean, ceiling):
        with pytest.raises(ValueError, match="scores must not be empty"):
            function([])
