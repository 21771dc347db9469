"""Baselines from the training answers alone."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from clipbug.errors import DataError
from clipbug.metrics.baselines import TrainingAnswers
from clipbug.metrics.text import words_of


@dataclass(frozen=True)
class Row:
    question: str
    labels: Mapping[str, float] = field(default_factory=dict)


ROWS = [
    Row("What is tapped first?", {"menu": 1.0}),
    Row("what is tapped  first", {"Menu": 1.0}),
    Row("what is tapped first?", {"back": 1.0}),
    Row("how many taps are made?", {"3": 1.0}),
    Row("how many taps are made?", {"back": 0.4, "4": 0.6}),
    Row("how many swipes are made?", {"back": 1.0}),
    Row("is this known?"),
]


def test_majority_is_the_answer_of_greatest_weight() -> None:
    assert TrainingAnswers.from_records(ROWS).majority == "back"  # 2.4, against 2.0 of menu in both spellings


def test_twins_count_together_in_the_most_frequent_spelling() -> None:
    rows = [Row("q", {"STOP": 0.5}), Row("q", {"Stop": 1.0}), Row("q", {"Start": 1.2})]
    assert TrainingAnswers.from_records(rows).majority == "Stop"


def test_equal_weights_give_the_first_answer_of_the_alphabet() -> None:
    for order in (["b", "a"], ["a", "b"]):
        assert TrainingAnswers.from_records([Row("q", {answer: 1.0}) for answer in order]).majority == "a"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("WHAT is tapped first", "Menu"),  # the same question; Menu and menu together, of equal weight
        ("how many taps are made?", "3"),
        ("how many taps are made today?", "3"),  # 5 of 6 words
        ("how many swipes?", "back"),
        ("is this known?", "Menu"),  # no answer in training; shares "is" with the first question
        ("où?", "back"),  # no common word: the majority
        ("?", "back"),
    ],
)
def test_question_only(question: str, expected: str) -> None:
    assert TrainingAnswers.from_records(ROWS).answer(question) == expected


def test_most_similar_question_equals_a_plain_search() -> None:
    generator = random.Random(5)
    words = ["what", "is", "the", "tap", "last", "first", "screen", "color", "app", "shown"]
    rows = [
        Row(" ".join(generator.sample(words, generator.randint(1, 5))), {f"a{index}": 1.0})
        for index in range(120)
    ]
    counts = Counter(" ".join(words_of(row.question)) for row in rows)
    training = TrainingAnswers.from_records(rows)

    def naive(question: str) -> str:
        asked = set(question.split())

        def rank(known: str) -> tuple[float, int, str]:
            other = set(known.split())
            return -len(asked & other) / len(asked | other), -counts[known], known

        return training.by_question[min(training.by_question, key=rank)]

    for _ in range(200):
        question = " ".join(generator.sample(words, generator.randint(1, 6)))
        if question not in training.by_question:
            assert training.answer(question) == naive(question)


def test_survives_json() -> None:
    training = TrainingAnswers.from_records(ROWS)
    again = TrainingAnswers.from_json(json.loads(json.dumps(training.to_json())))
    assert again == training
    questions = ["how many swipes?", "what is made?", "tapped", "?"]
    assert [again.answer(question) for question in questions] == [training.answer(q) for q in questions]


def test_no_answers_in_training() -> None:
    training = TrainingAnswers.from_records([Row("what?")])
    assert training.majority is None
    assert training.answer("what?") is None
    assert TrainingAnswers.from_json(training.to_json()) == training


def test_a_damaged_file_is_named() -> None:
    with pytest.raises(DataError, match="fields are answers"):
        TrainingAnswers.from_json({"answers": []})
