"""Fields of one annotation row, checked: missing, of a wrong type or out of range is a `RowError`."""

import json
import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from clipbug.data.records import UNKNOWN_TYPE

Row = Mapping[str, Any]


class RowError(Exception):
    """Why one row cannot be used. Collected over the file, then reported as one DataError."""


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
    """The first of `names` that the row has: a string or a whole number, as text."""
    given = _given(row, names)
    value = row[given]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _wrong_type(given, value, "a string or a whole number")
    if not str(value).strip():
        raise RowError(f"field {given!r} is empty")
    return str(value)


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
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    if isinstance(answer, bool) or not isinstance(answer, str | int | float) or answer != answer:
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

    The answer may be an index from 0 on, or the text of an option.
    """
    options = row.get("options")
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise _wrong_type("options", options, "a list of strings")
    if len(options) < 2:
        raise RowError(f"field 'options' has {len(options)} answers to choose from, at least 2 are needed")
    if not all(option.strip() for option in options):
        raise RowError("field 'options' has an empty answer")
    return tuple(options), _index_of_option(row.get("answer"), options)


def _index_of_option(answer: object, options: Sequence[str]) -> int | None:
    if answer is None:
        return None
    if isinstance(answer, str) and options.count(answer) == 1:
        return options.index(answer)
    if isinstance(answer, str) and answer.strip().isdecimal():
        answer = int(answer)
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise _wrong_type("answer", answer, "the index of an option or its text")
    if not 0 <= answer < len(options):
        raise RowError(f"field 'answer' is {answer}, but the last option is number {len(options) - 1}")
    return answer


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
