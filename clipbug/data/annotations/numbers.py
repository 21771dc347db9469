"""Parse answers that are numbers, in digits or in words."""

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
    """Convert the answer of a counting question to digits ("three" and "3.0" become "3"), if it has one.

    Args:
        record: Any record.

    Returns:
        The record with its answer in digits.

    Raises:
        DataError: The answer is not an integer >= 0.
    """
    answer = record.answer if isinstance(record, QuestionRecord) else None
    if answer is None or not isinstance(record, QuestionRecord):
        return record
    digits = whole_number(answer)
    number = int(digits) if digits.isdecimal() else _NUMBERS.get(answer.strip().lower())
    if number is None:
        raise DataError(
            f"answer {answer!r} at {record.source or record.record_id} is not an integer >= 0",
            "task count needs numbers (3 or three); remove other rows, or use task video-qa",
        )
    return replace(record, labels={str(number): 1.0})
