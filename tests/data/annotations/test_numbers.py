"""Answers of counting questions."""

import pytest

from clipbug.data.annotations.numbers import with_number
from clipbug.data.loading.targets import count_targets
from clipbug.data.records import CaptionRecord, QuestionRecord
from clipbug.errors import DataError


def row(answer: str | None) -> QuestionRecord:
    labels = {} if answer is None else {answer: 1.0}
    return QuestionRecord("q", "q", "v", "how many?", labels, source="train.jsonl:3")


@pytest.mark.parametrize(
    ("answer", "number"), [("3", 3), ("three", 3), ("Twenty", 20), ("zero", 0), ("12", 12)]
)
def test_digits_and_words_are_numbers(answer: str, number: int) -> None:
    counted = with_number(row(answer))
    assert isinstance(counted, QuestionRecord)
    assert counted.labels == {str(number): 1.0}
    assert count_targets()(counted)["count"].item() == number


def test_rows_without_answer_have_no_target() -> None:
    assert with_number(row(None)) == row(None)
    assert count_targets()(row(None)) == {}
    caption = CaptionRecord("c", "v", "text")
    assert with_number(caption) is caption


@pytest.mark.parametrize("answer", ["many", "3.5", "-1", "two or three"])
def test_other_answers_are_named_with_their_place(answer: str) -> None:
    with pytest.raises(DataError, match=r"at train\.jsonl:3 is not an integer"):
        with_number(row(answer))
