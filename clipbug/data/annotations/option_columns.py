"""Find options spread over columns: a1 to a5 (TGIF-QA), a0 to a4, option_1 ..., A, B, C, D."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from clipbug.data.annotations.media_ids import whole_number

_NUMBERED = re.compile(r"(a|ans|opt|option|choice|candidate)[ _-]?([0-9]{1,2})", re.IGNORECASE)
_LETTERED = re.compile(r"(ans|answer|opt|option|choice|candidate)[ _-]?([a-z])", re.IGNORECASE)
_LETTER = re.compile(r"()([A-Z])", re.IGNORECASE)
_ANSWERS = re.compile(r"(answer)[ _-]?([0-9]{1,2})", re.IGNORECASE)
_BRACKETS = " \t()[]{}.:#"

OPTION_LISTS = ("options", "choices", "candidates", "answer_choices")
"""Fields that contain all options of a row as a list."""


@lru_cache(1000)  # all rows of a file have the same few names
def is_option_column(name: str) -> bool:
    """Return whether a column of this name may contain an option."""
    return any(form.fullmatch(_bare(name)) for form in (_NUMBERED, _LETTERED, _ANSWERS, _LETTER))


def option_mark(column: str) -> str:
    """Return the number or the lowercase letter at the end of an option column's name."""
    bare = _bare(column)
    digits = re.search(r"[0-9]+\Z", bare)
    return digits[0] if digits else bare[-1].lower()


def find_option_columns(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns that contain the options of a row, in order.

    Columns are numbered or lettered (letters alone need at least A and B). Columns answer1, answer2 ... may
    also be the answers of several annotators: they are options only if `answer` is the number of one of them.

    Returns:
        Column names; empty without at least two of one kind.
    """
    if sum(map(is_option_column, row)) < 2:
        return ()
    runs = [_run(row, form) for form in (_NUMBERED, _LETTERED, _LETTER)]
    if [option_mark(name) for name in runs[-1][:2]] != ["a", "b"]:  # for example x and y, coordinates
        runs.pop()
    found = next(filter(None, runs), ())
    return found or _numbered_answers(row)


def missing_option_column(columns: Sequence[str]) -> str:
    """Return the name of an option column that is missing from the sequence; empty if none is."""
    positions = [_position(name) for name in columns]
    first = min(positions[0], 1 if option_mark(columns[0]).isdecimal() else 0)
    missing = next((position for position in range(first, positions[-1]) if position not in positions), None)
    if missing is None:
        return ""
    last, mark = _bare(columns[-1]), option_mark(columns[-1])
    return last[: -len(mark)] + (str(missing) if mark.isdecimal() else chr(missing + ord("a")))


def _numbered_answers(row: Mapping[str, Any]) -> tuple[str, ...]:
    columns = _run(row, _ANSWERS)
    given = whole_number(str(row.get("answer")).strip())
    is_letter = len(given) == 1 and given.isascii() and given.isalpha()
    index = ord(given.lower()) - ord("a") if is_letter else int(given) if given.isdecimal() else len(columns)
    is_index = index < len(columns)
    texts = {str(row[name]).strip() for name in columns}
    return columns if is_index and given not in texts else ()


def _run(row: Mapping[str, Any], form: re.Pattern[str]) -> tuple[str, ...]:
    """Return the columns of one form that have a value, in the order of their numbers or letters."""
    by_word: dict[str, list[str]] = {}
    for name, value in row.items():
        match = form.fullmatch(_bare(name))
        if match and value is not None:
            by_word.setdefault(match[1].lower(), []).append(name)
    return next((tuple(sorted(names, key=_position)) for names in by_word.values() if len(names) > 1), ())


def _position(name: str) -> int:
    """Return the number of a column, or of its letter counted from 0."""
    mark = option_mark(name)
    return int(mark) if mark.isdecimal() else ord(mark) - ord("a")


def _bare(name: str) -> str:
    """Return the name of a column without brackets and other marks around it: "(A)" and "a." are A and a."""
    return name.strip(_BRACKETS)
