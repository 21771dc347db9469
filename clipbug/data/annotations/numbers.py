"""Answers that are numbers, as digits or in words."""

from dataclasses import replace

from clipbug.data.annotations.media_ids import whole_number
from clipbug.data.records import QuestionRecord, Record
from clipbug.errors import DataError

_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
_NUMBERS = {word: number for number, word in enumerate(_WORDS)}


def with_number(record: Record) -> Record:
    """The row of a counting question with its answer in digits ("three" and "3.0" become "3"), if it has one.

    Raises:
        DataError: the answer is no whole number from 0 on.
    """
    answer = record.answer if isinstance(record, QuestionRecord) else None
    if answer is None or not isinstance(record, QuestionRecord):
        return record
    digits = whole_number(answer)
    number = int(digits) if digits.isdecimal() else _NUMBERS.get(answer.strip().lower())
    if number is None:
        raise DataError(
            f"the answer {answer!r} at {record.source or record.record_id} is no whole number",
            "task count takes numbers (3, or three); take other rows out, or use the task video-qa",
        )
    return replace(record, labels={str(number): 1.0})
