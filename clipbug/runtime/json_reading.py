"""Read text and JSON from other tools, rejecting by name whatever cannot be represented exactly.

Python's JSON reader changes or crashes on some valid files: 1e999 becomes infinity, a repeated key loses its
first value, half a surrogate pair cannot be printed, and long numbers and deep nesting raise.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf
from pathlib import Path
from typing import Any

from clipbug.errors import ClipbugError

MAX_DEPTH = 100
MAX_DIGITS = 300  # of an integer; a float has no more either
_EXCERPT = 40
_NOTE_HINT = "Restore the file from a copy, or repeat the command that made its folder."
_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class JsonError(ValueError):
    """Why a text cannot be used as JSON.

    Args:
        reason: What is wrong.
        line: Line number from 1; None if the problem has no single location.
        column: Column number from 1; None if the problem has no single location.
    """

    def __init__(self, reason: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason if line is None else f"{reason} at line {line}, column {column}")
        self.reason = reason
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Unusable:
    """Placeholder in a parsed value for a part that cannot be represented exactly."""

    reason: str


def encoding_of(start: bytes) -> str:
    """Return the encoding that a file's first bytes indicate: UTF-16 (Excel, PowerShell), else UTF-8.

    Decode with `errors="surrogateescape"`, so that `problem_of_text` can locate bytes that are not UTF-8.

    Returns:
        Name of the codec.
    """
    return "utf-16" if start.startswith(_UTF16_MARKS) else "utf-8-sig"


def decode_text(data: bytes) -> str:
    """Decode the whole content of a file.

    Returns:
        The text.

    Raises:
        JsonError: The file is marked as UTF-16 and is cut off or damaged.
    """
    try:
        return data.decode(encoding_of(data), "surrogateescape")
    except UnicodeDecodeError as error:
        raise JsonError(
            f"damaged {error.encoding} text at byte {error.start + 1} of the file; save it as utf-8"
        ) from error


def problem_of_text(text: str) -> str:
    """Describe the first byte of a decoded text that is not UTF-8; empty if all are."""
    found = _SURROGATE.search(text)
    if found is None:
        return ""
    number = len(text[: found.start()].encode()) + 1
    return (
        f"invalid UTF-8 at byte {number} (0x{ord(found[0]) & 0xFF:02X}); save the file as UTF-8 (in Excel:"
        " 'CSV UTF-8')"
    )


def parse_value(text: str, start: int = 0) -> tuple[Any, int]:
    """Parse the JSON value that begins at a position.

    Parts that cannot be represented are `Unusable`; `problem_of` finds them.

    Args:
        text: Text with JSON.
        start: Position of the value.

    Returns:
        The value and the position after it.

    Raises:
        JsonError: No JSON value begins there, or it is nested too deeply.
    """
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise JsonError(f"invalid JSON: {error.msg}", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        line = text.count("\n", 0, start) + 1
        column = start - text.rfind("\n", 0, start)
        raise JsonError(_too_deep(), line=line, column=column) from error


def parse_whole(text: str) -> Any:
    """Parse a text that is a single JSON value, possibly surrounded by whitespace.

    Returns:
        The value.

    Raises:
        JsonError: As for `parse_value`, or extra data follows.
    """
    value, end = parse_value(text, len(text) - len(text.lstrip()))
    rest = text[end:].lstrip()
    if rest:
        error = parse_error(text, len(text) - len(rest), "extra data after the value")
        raise error
    return value


def parse_error(text: str, position: int, reason: str) -> JsonError:
    """Return an error at a position of a text."""
    error = json.JSONDecodeError(reason, text, position)
    return JsonError(f"invalid JSON: {reason}", line=error.lineno, column=error.colno)


def problem_of(value: Any) -> str:
    """Describe the first part of a parsed value that cannot be represented, with its name; empty if none."""
    level: list[tuple[str, Any]] = [("", value)]
    for _ in range(MAX_DEPTH):
        deeper: list[tuple[str, Any]] = []
        for name, item in level:
            if problem := _problem_of_part(item):
                return f"field {name!r}: {problem}" if name else problem
            if isinstance(item, dict):
                deeper += [(f"{name}.{key}" if name else key, child) for key, child in item.items()]
            elif isinstance(item, list):
                deeper += [(f"{name}[{number}]", child) for number, child in enumerate(item)]
        if not deeper:
            return ""
        level = deeper
    return _too_deep()


def loads(text: str | bytes) -> Any:
    """Parse a JSON text that can be represented exactly.

    Returns:
        The value.

    Raises:
        JsonError: The text is not valid JSON, or contains parts that cannot be represented exactly.
    """
    content = decode_text(text) if isinstance(text, bytes) else text
    problem = problem_of_text(content) or problem_of(value := parse_whole(content))
    if problem:
        raise JsonError(problem)
    return value


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Returns:
        The value.

    Raises:
        OSError: The file cannot be read.
        JsonError: As for `loads`.
    """
    return loads(path.read_bytes())


def read_note(path: Path) -> dict[str, Any]:
    """Read a JSON object that clipbug wrote next to its results; empty if there is no such file.

    Returns:
        The object.

    Raises:
        ClipbugError: The file cannot be read, or was damaged or changed.
    """
    try:
        value = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, JsonError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ClipbugError(f"{path} cannot be read: {reason}", _NOTE_HINT) from error
    if not isinstance(value, dict):
        raise ClipbugError(f"{path} is not a JSON object", _NOTE_HINT)
    return value


def has_surrogate(text: str) -> bool:
    """Return whether a text contains half of a surrogate pair, which no encoding can write."""
    return _SURROGATE.search(text) is not None


def _problem_of_part(item: Any) -> str:
    if isinstance(item, Unusable):
        return item.reason
    texts = (item,) if isinstance(item, str) else item if isinstance(item, dict) else ()
    half = next((text for text in texts if has_surrogate(text)), None)
    if half is None:
        return ""
    return f"half of a character (an unpaired surrogate, often from a split emoji) in {_shown(half)}"


def _shown(text: str) -> str:
    """Return a printable excerpt of any text."""
    return repr(text)[: _EXCERPT * 2]


def _too_deep() -> str:
    return f"nested more than {MAX_DEPTH} levels deep"


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any] | Unusable:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    key = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return Unusable(f"key {_shown(key)} occurs more than once in one object")


def _whole_number(text: str) -> int | Unusable:
    return (
        int(text)
        if len(text) <= MAX_DIGITS
        else Unusable(f"a number of {len(text)} digits, expected at most {MAX_DIGITS}")
    )


def _float(text: str) -> float | Unusable:
    value = float(text)
    return Unusable(f"number {text[:_EXCERPT]} is too large for a float") if isinf(value) else value


def _constant(name: str) -> Unusable:
    return Unusable(f"{name} is not valid JSON; write null or omit the field")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole_number, parse_float=_float, parse_constant=_constant
)
