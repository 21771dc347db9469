"""Split annotation files into rows with locations: JSON lines, arrays, objects with lists of rows, tables."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clipbug.data.annotations.option_columns import OPTION_LISTS
from clipbug.data.annotations.tables import is_table, iter_cells
from clipbug.errors import DataError
from clipbug.runtime.files import special_file
from clipbug.runtime.json_reading import (
    JsonError,
    decode_text,
    encoding_of,
    parse_error,
    parse_value,
    parse_whole,
    problem_of,
    problem_of_text,
)

_EXCERPT_CHARACTERS = 60
_START_BYTES = 4096
_LISTS_OF_ROWS = ("annotations", "sentences", "questions", "data")
_JSON_FIELDS = ("labels", "ground_truth", *OPTION_LISTS)
_TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".psv")
_BINARY_SIGNATURES = {
    b"PK\x03\x04": "a workbook (.xlsx, .ods) or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"\x1f\x8b": "compressed with gzip",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: either its fields, or why it cannot be read.

    Attributes:
        location: Position in the file: a line number, or what identifies a row in such a file.
    """

    location: str
    fields: dict[str, Any] | None
    problem: str = ""


def iter_lines(path: Path) -> Iterator[Line]:
    """Iterate over the rows of a file in UTF-8, or in UTF-16 with a byte order mark. Blank lines are skipped.

    A file that begins with "[" is a JSON array of objects. A .json file may be a single object with a list of
    rows (COCO, MSRVTT, VQA v2); any other text that begins with "{" is JSON lines. Of the rest, a .csv or
    .tsv file is a table, and so is any file whose header has known field names.

    Yields:
        Rows with their locations.

    Raises:
        DataError: The file cannot be opened.
    """
    if kind := special_file(path):
        raise DataError(f"annotation file {path} is {kind}, not a file", "save the rows to a regular file")
    try:
        with path.open("rb") as file:
            raw = file.read(_START_BYTES)
        if found := _binary_kind(raw):
            hint = "save it as text: JSON lines, or a table (in Excel: 'CSV UTF-8')"
            yield Line("1", None, f"the file is {found}; {hint}")
            return
        start = raw.decode(encoding_of(raw), "ignore").lstrip()
        if start.startswith("["):
            yield from _array_items(path)
        elif not start.startswith("{") and (path.suffix.lower() in _TABLE_ENDINGS or is_table(start)):
            yield from _table_rows(path)
        else:
            rows = _rows_of_object(path) if path.suffix.lower() == ".json" and start.startswith("{") else None
            yield from _json_lines(path, encoding_of(raw)) if rows is None else rows
    except OSError as error:
        raise DataError(
            f"annotation file {path} cannot be read: {error.strerror}",
            "give a file with one JSON object per line, a JSON array or a table (.csv)",
        ) from error


def _binary_kind(start: bytes) -> str:
    """Return what a file is if it is not text that can be read here; empty for text."""
    if encoding_of(start) != "utf-16" and max(start[::2].count(0), start[1::2].count(0)) > len(start) // 4:
        return "UTF-16 text without a byte order mark, or not text at all"
    return next((name for mark, name in _BINARY_SIGNATURES.items() if start.startswith(mark)), "")


def _table_rows(path: Path) -> Iterator[Line]:
    for number, cells, problem in iter_cells(path):
        location = str(number)
        if problem:
            yield Line(location, None, problem)
        else:
            yield _checked(location, {name: _cell_value(name, cell) for name, cell in cells})


def _cell_value(name: str, cell: str) -> Any:
    """Return the text of a cell, or the JSON value in a field that is not text (labels, options)."""
    if name not in _JSON_FIELDS or not cell.lstrip().startswith(("{", "[")):
        return cell
    try:
        return parse_whole(cell)
    except JsonError:
        return cell  # field validation rejects the text later, naming the field


def _rows_of_object(path: Path) -> Iterator[Line] | None:
    """Return the rows that the file's single object lists; None if it is not such a file."""
    try:
        text = decode_text(path.read_bytes())
        value = parse_whole(text)
    except JsonError:
        return None
    if not isinstance(value, dict):
        return None
    name = next((name for name in _LISTS_OF_ROWS if isinstance(value.get(name), list)), None)
    if name is None:
        return None
    utf8_problem = problem_of_text(text)
    rows = (
        _checked(f"{name}[{number}]", row, utf8_problem and problem_of(row) and utf8_problem)
        for number, row in enumerate(value[name])
    )
    return _with_file_names(rows, value["images"]) if isinstance(value.get("images"), list) else rows


def _with_file_names(rows: Iterator[Line], images: list[Any]) -> Iterator[Line]:
    """Replace `image_id` in COCO annotations by the stem of the image's file name, its id in a store."""
    stems = {
        image["id"]: PurePosixPath(image["file_name"].replace("\\", "/")).stem
        for image in images
        if isinstance(image, dict)
        and not problem_of(image)
        and isinstance(image.get("file_name"), str)
        and isinstance(image.get("id"), str | int | float)
    }
    for line in rows:
        image_id = None if line.fields is None else line.fields.get("image_id")
        if line.fields is None or not isinstance(image_id, str | int | float) or image_id not in stems:
            problem = line.problem or f"no entry of `images` has the id {json.dumps(image_id)}"
            yield Line(line.location, None, problem)
        else:
            yield Line(line.location, {**line.fields, "image_id": stems[image_id]})


def _json_lines(path: Path, encoding: str) -> Iterator[Line]:
    # Only \n ends a line: texts may contain U+2028 and others, at which str.splitlines would break.
    number = 0
    try:
        with path.open(encoding=encoding, errors="surrogateescape", newline="\n") as file:
            for number, content in enumerate(file, start=1):
                if content.strip():
                    yield _parsed_line(str(number), content)
    except UnicodeDecodeError as error:
        yield Line(str(number + 1), None, f"damaged {error.encoding} text; the rest is not read")


def _parsed_line(location: str, content: str) -> Line:
    if problem := problem_of_text(content):
        return Line(location, None, problem)
    try:
        return _checked(location, parse_whole(content))
    except JsonError as error:
        where = "" if error.column is None else f" at column {error.column}"
        return Line(location, None, f"{error.reason}{where}: {content.strip()[:_EXCERPT_CHARACTERS]}")


def _array_items(path: Path) -> Iterator[Line]:
    """Yield the items of a JSON array with the lines on which they start. A syntax error ends the reading."""
    try:
        text = decode_text(path.read_bytes())
    except JsonError as error:
        yield Line("1", None, str(error))
        return
    number, counted, position = 1, 0, _skip_space(text, text.index("[") + 1)
    while text[position : position + 1] != "]":
        number, counted = number + text.count("\n", counted, position), position
        try:
            item, position = parse_value(text, position)
            yield _checked(str(number), item, problem_of_text(text[counted:position]))
            position = _skip_space(text, position)
            if text[position : position + 1] == ",":
                position = _skip_space(text, position + 1)
            elif text[position : position + 1] != "]":
                found = text[position : position + 20]
                raise parse_error(text, position, f"expected ',' or ']', got {found!r}")
        except JsonError as error:
            where = "" if error.column is None else f" at column {error.column}"
            yield Line(str(error.line or number), None, f"{error.reason}{where}; the rest is not read")
            return
    rest = text[position + 1 :].strip()
    if rest:
        line = text.count("\n", 0, _skip_space(text, position + 1)) + 1
        yield Line(str(line), None, f"invalid JSON: extra data after the array: {rest[:_EXCERPT_CHARACTERS]}")


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _checked(location: str, value: object, problem: str = "") -> Line:
    problem = problem or problem_of(value)
    if problem:
        return Line(location, None, problem)
    if isinstance(value, dict):
        return Line(location, value)
    return Line(
        location,
        None,
        f"expected a JSON object, got {_json_type(value)}: {json.dumps(value)[:_EXCERPT_CHARACTERS]}",
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
