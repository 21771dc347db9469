"""Annotation files to rows, each with its place: JSON lines, arrays, objects with a list of rows, tables."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.annotations.tables import iter_cells
from clipbug.errors import DataError
from clipbug.runtime.files import special_file

_BOM = b"\xef\xbb\xbf"
_EXCERPT = 60
_LISTS_OF_ROWS = ("annotations", "sentences", "questions", "data")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: either its fields, or why it cannot be read.

    Attributes:
        place: where it stands in the file: the number of its line, or what counts in such a file.
    """

    place: str
    fields: dict[str, Any] | None
    problem: str = ""


def iter_lines(path: Path) -> Iterator[Line]:
    """The rows of a file. Blank lines hold no row.

    A file that ends in .csv or .tsv is a table; one that begins with "[" is a JSON array of objects; one that
    ends in .json may be a single object with a list of rows (COCO, MSRVTT, VQA v2); others are JSON lines.

    Raises:
        DataError: the file cannot be opened.
    """
    if kind := special_file(path):
        raise DataError(f"annotation file {path} is {kind}, not a file", "save the rows to a file")
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(_BOM).lstrip()
        if path.suffix.lower() in (".csv", ".tsv"):
            yield from _table_rows(path)
        elif start.startswith(b"["):
            yield from _array_items(path)
        else:
            rows = (
                _rows_of_object(path) if path.suffix.lower() == ".json" and start.startswith(b"{") else None
            )
            yield from _json_lines(path) if rows is None else rows
    except OSError as error:
        raise DataError(
            f"annotation file {path} cannot be read: {error.strerror}",
            "name a file with one JSON object per line, a JSON array or a table (.csv)",
        ) from error


def _table_rows(path: Path) -> Iterator[Line]:
    for number, cells, problem in iter_cells(path):
        yield Line(str(number), dict(cells) if not problem else None, problem)


def _rows_of_object(path: Path) -> Iterator[Line] | None:
    """The rows that the one object of the file lists; None if it is not such a file."""
    try:
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
    except ValueError:
        return None
    name = next((name for name in _LISTS_OF_ROWS if isinstance(value.get(name), list)), None)
    if name is None:
        return None
    rows = (_checked(f"{name}[{number}]", row) for number, row in enumerate(value[name]))
    return _with_file_names(rows, value["images"]) if isinstance(value.get("images"), list) else rows


def _with_file_names(rows: Iterator[Line], images: list[Any]) -> Iterator[Line]:
    """COCO's annotations with the stem of the image's file as `image_id`: so images are ingested."""
    stems = {
        image["id"]: Path(image["file_name"]).stem
        for image in images
        if isinstance(image, dict) and isinstance(image.get("file_name"), str) and "id" in image
    }
    for line in rows:
        image_id = None if line.fields is None else line.fields.get("image_id")
        if line.fields is None or not isinstance(image_id, str | int) or image_id not in stems:
            problem = line.problem or f"no image of the file has the id {json.dumps(image_id)}"
            yield Line(line.place, None, problem)
        else:
            yield Line(line.place, {**line.fields, "image_id": stems[image_id]})


def _json_lines(path: Path) -> Iterator[Line]:
    # In binary, only \n ends a line: texts may hold U+2028 and others that str.splitlines would break at.
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            content = raw.removeprefix(_BOM) if number == 1 else raw
            if content.strip():
                yield _parsed_line(str(number), content)


def _parsed_line(place: str, content: bytes) -> Line:
    try:
        return _checked(place, json.loads(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        return Line(
            place, None, f"no UTF-8 text at byte {error.start + 1} of the line; save the file as UTF-8"
        )
    except json.JSONDecodeError as error:
        excerpt = content.decode("utf-8").strip()[:_EXCERPT]
        return Line(place, None, f"no JSON: {error.msg} at column {error.colno}: {excerpt}")


def _array_items(path: Path) -> Iterator[Line]:
    """The items of one JSON array, each with the line on which it starts. A syntax error ends the reading."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Line("1", None, f"no UTF-8 text at byte {error.start + 1} of the file; save the file as UTF-8")
        return
    decoder = json.JSONDecoder()
    number, counted, position = 1, 0, _skip_space(text, text.index("[") + 1)
    while text[position : position + 1] != "]":
        number, counted = number + text.count("\n", counted, position), position
        try:
            item, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            yield Line(
                str(error.lineno), None, f"no JSON: {error.msg} at column {error.colno}; the rest is not read"
            )
            return
        yield _checked(str(number), item)
        position = _skip_space(text, position)
        if text[position : position + 1] == ",":
            position = _skip_space(text, position + 1)
        elif text[position : position + 1] != "]":
            line = number + text.count("\n", counted, position)
            yield Line(
                str(line), None, f"no JSON: ',' or ']' expected, found {text[position : position + 20]!r}"
            )
            return


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _checked(place: str, value: object) -> Line:
    if isinstance(value, dict):
        return Line(place, value)
    return Line(
        place,
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
