"""Choosing without looking."""

from clipbug.data.records import ChoiceRecord
from clipbug.metrics.choice_baselines import TrainingChoices, expected_by_chance


def row(question: str, options: str, answer: int | None) -> ChoiceRecord:
    return ChoiceRecord("1", "1", "v", question, tuple(options.split()), answer)


TRAIN = [
    row("what first?", "tap scroll type", 2),
    row("what first?", "tap scroll type", 2),
    row("what last?", "tap wait scroll", 0),
    row("what last?", "swipe TAP scroll", None),
]


def test_majority_is_a_position() -> None:
    choices = TrainingChoices(TRAIN)
    assert choices.majority(row("?", "a b c d", None)) == 2
    assert choices.majority(row("?", "a b", None)) == 0  # there is no third option


def test_question_only_knows_the_question_and_then_the_option() -> None:
    choices = TrainingChoices(TRAIN)
    assert choices.question_only(row("What FIRST", "tap Type wait", None)) == 1
    assert choices.question_only(row("what last?", "type tap wait", None)) == 1
    # another question: "type" was right 2 of 2 times it was offered, "tap" 1 of 3, "scroll" never
    assert choices.question_only(row("what then?", "scroll tap type", None)) == 2


def test_ties_and_no_training_rows_take_the_first_option() -> None:
    choices = TrainingChoices([])
    assert choices.majority(row("?", "a b", None)) == 0
    assert choices.question_only(row("?", "a b", None)) == 0


def test_chance() -> None:
    assert expected_by_chance([row("?", "a b", 0), row("?", "a b c d", 1)]) == 0.375
