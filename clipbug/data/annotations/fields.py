"""Fields of one annotation row, checked: missing, of a wrong type or out of range is a `RowError`."""

import json
import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from clipbug.data.annotations.media_ids import whole_number
from clipbug.data.annotations.option_columns import (
    OPTION_LISTS,
    find_option_columns,
    is_option_column,
    missing_option_column,
)
from clipbug.data.records import UNKNOWN_TYPE

Row = Mapping[str, Any]

ID_FIELDS = ("image_id", "file_id", "video_id", "gif_name", "clip_name", "question_id", "qid")
"""Fields whose ids may be numbers or texts."""

_USED_FIELDS = {
    *ID_FIELDS,
    *("coco_id", "vg_id", "screenId", "video", "id", "question", "caption", "summary", "description"),
    *("labels", "answer", "ground_truth", "answer_type", "app", *OPTION_LISTS),
}
_LARGEST_EXACT_FLOAT = 2.0**53  # above, a float no longer tells neighbouring whole numbers apart


class RowError(Exception):
    """Why one row cannot be used. Collected over the file, then reported as one DataError."""


def is_used(name: str) -> bool:
    """Whether some family reads a field of this name."""
    return name in _USED_FIELDS or is_option_column(name)


def has_any(row: Row, names: Sequence[str]) -> bool:
    """Whether the row has a value, other than null, in one of the fields."""
    return any(row.get(name) is not None for name in names)


def text_field(row: Row, names: Sequence[str]) -> str:
    """The first of `names` that the row has: a string that is not blank, as the file has it."""
    given = _given(row, names)
    value = row[given]
    if not isinstance(value, str):
        raise _wrong_type(given, value, "a string")
    if not value.strip():
        raise RowError(f"field {given!r} is empty")
    return value


def id_field(row: Row, names: Sequence[str]) -> str:
    """The first of `names` that the row has: a string or a whole number (3 or 3.0), as text."""
    given = _given(row, names)
    value = row[given]
    if not isinstance(value, str) and not is_whole(value):
        raise _wrong_type(given, value, "a string or a whole number")
    if not str(value).strip():
        raise RowError(f"field {given!r} is empty")
    return str(value)


def is_whole(value: object) -> bool:
    """Whether a value is a whole number: an integer, or a float that is exactly one."""
    if isinstance(value, float):
        return value.is_integer() and abs(value) <= _LARGEST_EXACT_FLOAT
    return isinstance(value, int) and not isinstance(value, bool)


def optional_id_field(row: Row, names: Sequence[str]) -> str | None:
    """As `id_field`, or None where the row has none of `names`."""
    return id_field(row, names) if has_any(row, names) else None


def optional_text_field(row: Row, name: str) -> str | None:
    """A string without space around it, or None where it is missing or blank."""
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong_type(name, value, "a string")
    return value.strip() or None


def answer_type_field(row: Row) -> str:
    """The answer type in lower case; "unknown" where it is missing or blank."""
    return (optional_text_field(row, "answer_type") or UNKNOWN_TYPE).lower()


def label_fields(row: Row) -> dict[str, float]:
    """Answer -> weight; empty where the row has none.

    From `labels`, else `ground_truth` (ScreenQA: every rater's answer is right, weight 1 each), else `answer`
    (weight 1). Answers lose the space around them; weights of answers that become equal add up, to at most 1.
    """
    if row.get("labels") is not None:
        return _soft_labels(row["labels"])
    if row.get("ground_truth") is not None:
        return _raters_labels(row["ground_truth"])
    answer = row.get("answer")
    return {} if answer is None else {_answer_text(answer): 1.0}


def _answer_text(answer: object) -> str:
    """An answer as text, numbers included: 3 and 3.0 are "3"."""
    if isinstance(answer, float) and is_whole(answer):
        answer = int(answer)
    if isinstance(answer, float) and abs(answer) > _LARGEST_EXACT_FLOAT:
        raise _wrong_type("answer", answer, "a number that is exact, or a string")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        raise _wrong_type("answer", answer, "a string or a number")
    if not str(answer).strip():
        raise RowError("field 'answer' is empty; leave it out where the answer is not known")
    return str(answer).strip()


def _raters_labels(ground_truth: object) -> dict[str, float]:
    if not isinstance(ground_truth, list):
        raise _wrong_type("ground_truth", ground_truth, "a list of answers")
    labels: dict[str, float] = {}
    for rater in ground_truth:
        answer = rater.get("full_answer") if isinstance(rater, dict) else rater
        if not isinstance(answer, str):
            raise _wrong_type("ground_truth", rater, "texts, or objects with a text as `full_answer`")
        if not answer.strip():
            raise RowError("field 'ground_truth' has an empty answer")
        labels[answer.strip()] = 1.0
    return labels


def _soft_labels(labels: object) -> dict[str, float]:
    if not isinstance(labels, dict):
        raise _wrong_type("labels", labels, "an object {answer: weight}")
    merged: dict[str, float] = {}
    for answer, weight in labels.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise _wrong_type(f"labels[{answer!r}]", weight, "a number in [0, 1]")
        if not 0 <= weight <= 1:
            raise RowError(f"field labels[{answer!r}] is {weight}, not in [0, 1]")
        if not answer.strip():
            raise RowError("field 'labels' has an empty answer")
        merged[answer.strip()] = min(1.0, merged.get(answer.strip(), 0.0) + float(weight))
    return merged


def option_fields(row: Row) -> tuple[tuple[str, ...], int | None]:
    """The answers to choose from, and the index of the right one (None where the row does not say).

    Options are a list, or in columns (`a1` to `a5`). The answer may be an index from 0 on, or the text of an
    option; of columns `A`, `B` ..., a letter.
    """
    name = next((name for name in OPTION_LISTS if row.get(name) is not None), "options")
    columns = () if row.get(name) is not None else find_option_columns(row)
    options: Any = [row[column] for column in columns] if columns else row.get(name)
    if columns:
        if lacking := missing_option_column(columns):
            raise RowError(f"the option {lacking!r} is missing between {columns[0]!r} and {columns[-1]!r}")
        options = [option if isinstance(option, str) else _answer_text(option) for option in options]
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise _wrong_type(name, options, "a list of strings")
    if len(options) < 2:
        raise RowError(f"field {name!r} has {len(options)} answers to choose from, at least 2 are needed")
    if not all(option.strip() for option in options):
        raise RowError(f"field {name!r} has an empty answer")
    return tuple(options), _index_of_option(row.get("answer"), options, columns)


def _index_of_option(answer: object, options: Sequence[str], columns: Sequence[str]) -> int | None:
    if answer is None:
        return None
    by_text = options.index(answer) if isinstance(answer, str) and options.count(answer) == 1 else None
    number = _number_of_option(answer, columns)
    if by_text is None and number is None:
        raise _wrong_type("answer", answer, "the index of an option or its text")
    if by_text is not None and (number is None or number == by_text or not columns):
        return by_text
    if by_text is not None and number is not None and 0 <= number < len(options):
        raise RowError(
            f"field 'answer' is {answer!r}, the text of option number {by_text} and the number of another"
        )
    if number is not None and not 0 <= number < len(options):
        raise RowError(f"field 'answer' is {number}, but the last option is number {len(options) - 1}")
    return number


def _number_of_option(answer: object, columns: Sequence[str]) -> int | None:
    if isinstance(answer, int | float) and is_whole(answer):
        return int(answer)
    text = whole_number(answer.strip()) if isinstance(answer, str) else ""
    letters = [name[-1].lower() for name in columns]
    if text.lower() in letters and text.isalpha():
        return letters.index(text.lower())
    return int(text) if text.isascii() and text.isdecimal() else None


def _given(row: Row, names: Sequence[str]) -> str:
    given = next((name for name in names if row.get(name) is not None), None)
    if given is None:
        raise _missing(row, names)
    return given


def _missing(row: Row, names: Sequence[str]) -> RowError:
    wanted = " or ".join(repr(name) for name in names)
    fields = ", ".join(row) or "none"
    others = [field for field in row if field not in names]
    near = list(
        dict.fromkeys(match for name in names for match in get_close_matches(name, others, n=1, cutoff=0.7))
    )
    nearest = f"; nearest: {', '.join(near)}" if near else ""
    null = " (null)" if any(name in row for name in names) else ""
    return RowError(f"no field {wanted}{null}; fields of the row: {fields}{nearest}")


def _wrong_type(name: str, value: object, expected: str) -> RowError:
    return RowError(f"field {name!r} is {json.dumps(value)[:40]}, expected {expected}")
