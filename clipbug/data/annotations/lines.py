"""Annotation files to JSON objects: JSON lines or one JSON array, every object with its line number."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.errors import DataError

_BOM = b"\xef\xbb\xbf"
_EXCERPT = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: either its fields, or why it cannot be read."""

    number: int
    fields: dict[str, Any] | None
    problem: str = ""


def iter_lines(path: Path) -> Iterator[Line]:
    """The rows of a JSON-lines file or of a file that holds one JSON array. Blank lines hold no row.

    Raises:
        DataError: the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4096)
        is_array = start.removeprefix(_BOM).lstrip().startswith(b"[")
        yield from _array_items(path) if is_array else _json_lines(path)
    except OSError as error:
        raise DataError(
            f"annotation file {path} cannot be read: {error.strerror}",
            "name a JSON-lines file (one JSON object per line)",
        ) from error


def _json_lines(path: Path) -> Iterator[Line]:
    # In binary, only \n ends a line: texts may hold U+2028 and others that str.splitlines would break at.
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            content = raw.removeprefix(_BOM) if number == 1 else raw
            if content.strip():
                yield _parsed_line(number, content)


def _parsed_line(number: int, content: bytes) -> Line:
    try:
        return _checked(number, json.loads(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        return Line(
            number, None, f"no UTF-8 text at byte {error.start + 1} of the line; save the file as UTF-8"
        )
    except json.JSONDecodeError as error:
        excerpt = content.decode("utf-8").strip()[:_EXCERPT]
        return Line(number, None, f"no JSON: {error.msg} at column {error.colno}: {excerpt}")


def _array_items(path: Path) -> Iterator[Line]:
    """The items of one JSON array, each with the line on which it starts. A syntax error ends the reading."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Line(1, None, f"no UTF-8 text at byte {error.start + 1} of the file; save the file as UTF-8")
        return
    decoder = json.JSONDecoder()
    number, counted, position = 1, 0, _skip_space(text, text.index("[") + 1)
    while text[position : position + 1] != "]":
        number, counted = number + text.count("\n", counted, position), position
        try:
            item, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            yield Line(
                error.lineno, None, f"no JSON: {error.msg} at column {error.colno}; the rest is not read"
            )
            return
        yield _checked(number, item)
        position = _skip_space(text, position)
        if text[position : position + 1] == ",":
            position = _skip_space(text, position + 1)
        elif text[position : position + 1] != "]":
            line = number + text.count("\n", counted, position)
            yield Line(line, None, f"no JSON: ',' or ']' expected, found {text[position : position + 20]!r}")
            return


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _checked(number: int, value: object) -> Line:
    if isinstance(value, dict):
        return Line(number, value)
    return Line(
        number,
        None,
        f"a JSON {_json_type(value)} where an object {{...}} is expected: {json.dumps(value)[:_EXCERPT]}",
    )


def _json_type(value: object) -> str:
    names = {
        list: "array",
        str: "string",
        bool: "boolean",
        int: "number",
        float: "number",
        type(None): "null",
    }
    return names[type(value)]
