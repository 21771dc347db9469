"""Read and validate the fields of an annotation row; a missing or invalid field raises `RowError`."""

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
    option_mark,
)
from clipbug.data.records import UNKNOWN_TYPE

Row = Mapping[str, Any]

ID_FIELDS = ("image_id", "file_id", "video_id", "gif_name", "clip_name", "question_id", "qid")
"""Fields that hold an id, as a number or a string."""

_USED_FIELDS = {
    *ID_FIELDS,
    *("coco_id", "vg_id", "screenId", "video", "id", "question", "caption", "summary", "description"),
    *("labels", "answer", "ground_truth", "answer_type", "app", *OPTION_LISTS),
}
_LARGEST_EXACT_FLOAT = 2.0**53  # above this, a float cannot represent every integer


class RowError(Exception):
    """Why a row cannot be used. Collected over the file, then reported as one DataError."""


def is_used(name: str) -> bool:
    """Return whether some family reads a field of this name."""
    return name in _USED_FIELDS or is_option_column(name)


def has_any(row: Row, names: Sequence[str]) -> bool:
    """Return whether the row has a non-null value in one of the fields."""
    return any(row.get(name) is not None for name in names)


def text_field(row: Row, names: Sequence[str]) -> str:
    """Return the first of `names` that the row has: a non-blank string, unchanged."""
    given = _given(row, names)
    value = row[given]
    if not isinstance(value, str):
        raise _wrong_type(given, value, "a string")
    if not value.strip():
        raise RowError(f"field {given!r} is empty")
    return value


def id_field(row: Row, names: Sequence[str]) -> str:
    """Return the first of `names` that the row has, a string or an integer (3 or 3.0), as text."""
    given = _given(row, names)
    value = row[given]
    if not isinstance(value, str) and not is_whole(value):
        raise _wrong_type(given, value, "a string or a whole number")
    if not str(value).strip():
        raise RowError(f"field {given!r} is empty")
    return str(value)


def is_whole(value: object) -> bool:
    """Return whether a value is an integer, or a float that is exactly one."""
    if isinstance(value, float):
        return value.is_integer() and abs(value) <= _LARGEST_EXACT_FLOAT
    return isinstance(value, int) and not isinstance(value, bool)


def optional_id_field(row: Row, names: Sequence[str]) -> str | None:
    """Return the same as `id_field`, or None if the row has none of `names`."""
    return id_field(row, names) if has_any(row, names) else None


def optional_text_field(row: Row, name: str) -> str | None:
    """Return a string without surrounding whitespace, or None if it is missing or blank."""
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong_type(name, value, "a string")
    return value.strip() or None


def answer_type_field(row: Row) -> str:
    """Return the answer type in lower case; "unknown" if it is missing or blank."""
    return (optional_text_field(row, "answer_type") or UNKNOWN_TYPE).lower()


def label_fields(row: Row) -> dict[str, float]:
    """Return answer -> weight; empty if the row has no answer.

    Reads `labels`, else `ground_truth` (ScreenQA: every rater's answer counts as correct, with weight 1),
    else `answer` (weight 1). Answers are stripped; weights of answers that become equal are added, up to 1.

    Returns:
        Weights in [0, 1] by answer.
    """
    if row.get("labels") is not None:
        return _soft_labels(row["labels"])
    if row.get("ground_truth") is not None:
        return _raters_labels(row["ground_truth"])
    answer = row.get("answer")
    return {} if answer is None else {_answer_text(answer): 1.0}


def _answer_text(answer: object) -> str:
    """Return an answer as text, including numbers: 3 and 3.0 become "3"."""
    if isinstance(answer, float) and is_whole(answer):
        answer = int(answer)
    if isinstance(answer, float) and abs(answer) > _LARGEST_EXACT_FLOAT:
        raise _wrong_type("answer", answer, "a number that a float represents exactly, or a string")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        raise _wrong_type("answer", answer, "a string or a number")
    if not str(answer).strip():
        raise RowError("field 'answer' is empty; omit it if the answer is unknown")
    return str(answer).strip()


def _raters_labels(ground_truth: object) -> dict[str, float]:
    if not isinstance(ground_truth, list):
        raise _wrong_type("ground_truth", ground_truth, "a list of answers")
    labels: dict[str, float] = {}
    for rater in ground_truth:
        answer = rater.get("full_answer") if isinstance(rater, dict) else rater
        if not isinstance(answer, str):
            raise _wrong_type("ground_truth", rater, "strings, or objects with a string `full_answer`")
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
            raise RowError(f"field labels[{answer!r}] is {weight}, expected a number in [0, 1]")
        if not answer.strip():
            raise RowError("field 'labels' has an empty answer")
        merged[answer.strip()] = min(1.0, merged.get(answer.strip(), 0.0) + float(weight))
    return merged


def option_fields(row: Row) -> tuple[tuple[str, ...], int | None]:
    """Return the options of a row and the index of the correct one.

    Options are a list, or spread over columns (`a1` to `a5`). The answer may be an index starting at 0, the
    text of an option, or a letter if the columns are `A`, `B` ...

    Returns:
        The options, and the index of the correct one or None if the row has no answer.

    Raises:
        RowError: The options or the answer are missing or invalid.
    """
    name = next((name for name in OPTION_LISTS if row.get(name) is not None), "options")
    columns = () if row.get(name) is not None else find_option_columns(row)
    options: Any = [row[column] for column in columns] if columns else row.get(name)
    if columns:
        if missing := missing_option_column(columns):
            raise RowError(f"option {missing!r} is missing between {columns[0]!r} and {columns[-1]!r}")
        options = [option if isinstance(option, str) else _answer_text(option) for option in options]
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        error = _wrong_type(name, options, "a list of strings")
        raise error
    if len(options) < 2:
        raise RowError(f"field {name!r} has {len(options)} options, expected at least 2")
    if not all(option.strip() for option in options):
        raise RowError(f"field {name!r} has an empty option")
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
            f"field 'answer' is ambiguous: {answer!r} is the text of option {by_text}"
            " and the index of another"
        )
    if number is not None and not 0 <= number < len(options):
        raise RowError(f"field 'answer' is {number}, but the last option has index {len(options) - 1}")
    return number


def _number_of_option(answer: object, columns: Sequence[str]) -> int | None:
    if isinstance(answer, int | float) and is_whole(answer):
        return int(answer)
    text = whole_number(answer.strip()) if isinstance(answer, str) else ""
    marks = [option_mark(name) for name in columns]
    if text.isalpha() and text.lower() in marks:
        return marks.index(text.lower())
    if len(text) == 1 and text.isascii() and text.isalpha() and marks and marks[0].isdecimal():
        position = ord(text.lower()) - ord("a")  # a letter for numbered columns
        return position if position < len(columns) else None
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
    return RowError(f"field {wanted} is missing{null}; fields of the row: {fields}{nearest}")


def _wrong_type(name: str, value: object, expected: str) -> RowError:
    return RowError(f"field {name!r} is {json.dumps(value)[:40]}, expected {expected}")
