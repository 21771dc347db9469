"""Text and JSON as other tools write them, read with limits: what cannot be kept as it is written is named.

Python's own reader changes or crashes on some of what files hold: 1e999 becomes infinity, a key that occurs
twice loses its first value, half a surrogate pair cannot be printed, long numbers and deep nesting raise.
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
MAX_DIGITS = 300  # of a whole number; a float has no more either
_EXCERPT = 40
_NOTE_HINT = "Restore the file from a copy, or repeat the command that made its folder."
_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class JsonError(ValueError):
    """Why a text cannot be used as JSON.

    Args:
        reason: what is wrong.
        line, column: where, from 1 on; None for what has no one place.
    """

    def __init__(self, reason: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason if line is None else f"{reason} at line {line}, column {column}")
        self.reason = reason
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Unusable:
    """What stands in a parsed value for a part that cannot be kept as it is written."""

    reason: str


def encoding_of(start: bytes) -> str:
    """The encoding that the first bytes of a file mark: UTF-16 (Excel, PowerShell), else UTF-8.

    Decode with `errors="surrogateescape"`, so that `problem_of_text` can name the bytes that are no UTF-8.
    """
    return "utf-16" if start.startswith(_UTF16_MARKS) else "utf-8-sig"


def decode_text(data: bytes) -> str:
    """All text of a file.

    Raises:
        JsonError: it is marked as UTF-16 and is cut off or damaged.
    """
    try:
        return data.decode(encoding_of(data), "surrogateescape")
    except UnicodeDecodeError as error:
        raise JsonError(
            f"damaged {error.encoding} text at byte {error.start + 1} of the file; save it as utf-8"
        ) from error


def problem_of_text(text: str) -> str:
    """Which byte of a decoded text is no UTF-8, from 1 on; empty if all are."""
    found = _SURROGATE.search(text)
    if found is None:
        return ""
    number = len(text[: found.start()].encode()) + 1
    return (
        f"no UTF-8 text at byte {number} (0x{ord(found[0]) & 0xFF:02X}); save the file as UTF-8 (in Excel:"
        " 'CSV UTF-8')"
    )


def parse_value(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value that begins at a position of the text, and the position after it.

    Parts that cannot be kept are `Unusable`; `problem_of` finds them.

    Raises:
        JsonError: no JSON value begins there, or it is nested too deeply to be read.
    """
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise JsonError(f"no JSON: {error.msg}", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        line = text.count("\n", 0, start) + 1
        column = start - text.rfind("\n", 0, start)
        raise JsonError(_too_deep(), line=line, column=column) from error


def parse_whole(text: str) -> Any:
    """The one JSON value of a text, with nothing but space around it.

    Raises:
        JsonError: as `parse_value`, or something follows.
    """
    value, end = parse_value(text, len(text) - len(text.lstrip()))
    rest = text[end:].lstrip()
    if rest:
        raise parse_error(text, len(text) - len(rest), "more after the end of the value")
    return value


def parse_error(text: str, position: int, reason: str) -> JsonError:
    """The error of a place in a text."""
    error = json.JSONDecodeError(reason, text, position)
    return JsonError(f"no JSON: {reason}", line=error.lineno, column=error.colno)


def problem_of(value: Any) -> str:
    """The first part of a parsed value that cannot be kept as it is written, with its name; empty without."""
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
    """The value of a JSON text, all of which can be kept.

    Raises:
        JsonError: it is no JSON, or holds what cannot be kept as it is written.
    """
    content = decode_text(text) if isinstance(text, bytes) else text
    problem = problem_of_text(content) or problem_of(value := parse_whole(content))
    if problem:
        raise JsonError(problem)
    return value


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        OSError: the file cannot be read.
        JsonError: as `loads`.
    """
    return loads(path.read_bytes())


def read_note(path: Path) -> dict[str, Any]:
    """The object of a JSON file that clipbug wrote beside its results; empty if there is no such file.

    Raises:
        ClipbugError: it cannot be read, or has been damaged or changed since.
    """
    try:
        value = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, JsonError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ClipbugError(f"{path} cannot be read: {reason}", _NOTE_HINT) from error
    if not isinstance(value, dict):
        raise ClipbugError(f"{path} holds no JSON object", _NOTE_HINT)
    return value


def has_surrogate(text: str) -> bool:
    """Whether a text has half of a surrogate pair, which no encoding can write."""
    return _SURROGATE.search(text) is not None


def _problem_of_part(item: Any) -> str:
    if isinstance(item, Unusable):
        return item.reason
    texts = (item,) if isinstance(item, str) else item if isinstance(item, dict) else ()
    half = next((text for text in texts if has_surrogate(text)), None)
    if half is None:
        return ""
    return f"half of a character (an unpaired surrogate, often of an emoji cut in two) in {_shown(half)}"


def _shown(text: str) -> str:
    """A text that can be printed whatever it holds."""
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
    return int(text) if len(text) <= MAX_DIGITS else Unusable(f"a number of {len(text)} digits")


def _float(text: str) -> float | Unusable:
    value = float(text)
    return Unusable(f"number {text[:_EXCERPT]} is too large to be kept") if isinf(value) else value


def _constant(name: str) -> Unusable:
    return Unusable(f"{name} is no number in JSON; write null or leave the field out")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole_number, parse_float=_float, parse_constant=_constant
)
