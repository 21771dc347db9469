"""Annotation files to rows, each with its place: JSON lines, arrays, objects with a list of rows, tables."""

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

_EXCERPT = 60
_START_BYTES = 4096
_LISTS_OF_ROWS = ("annotations", "sentences", "questions", "data")
_STRUCTURED = ("labels", "ground_truth", *OPTION_LISTS)
_TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".psv")
_FOREIGN = {
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
        place: where it stands in the file: the number of its line, or what counts in such a file.
    """

    place: str
    fields: dict[str, Any] | None
    problem: str = ""


def iter_lines(path: Path) -> Iterator[Line]:
    """The rows of a file, in UTF-8 or marked UTF-16. Blank lines hold no row.

    What begins with "[" is a JSON array of objects; a file that ends in .json may be a single object with a
    list of rows (COCO, MSRVTT, VQA v2); other texts that begin with "{" are JSON lines. Of the rest, a file
    that ends in .csv or .tsv is a table, and whatever its ending, one with a header of known fields.

    Raises:
        DataError: the file cannot be opened.
    """
    if kind := special_file(path):
        raise DataError(f"annotation file {path} is {kind}, not a file", "save the rows to a file")
    try:
        with path.open("rb") as file:
            raw = file.read(_START_BYTES)
        if found := _foreign_kind(raw):
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
            "name a file with one JSON object per line, a JSON array or a table (.csv)",
        ) from error


def _foreign_kind(start: bytes) -> str:
    """What a file is that holds no text as it is read here; empty for a text."""
    if encoding_of(start) != "utf-16" and max(start[::2].count(0), start[1::2].count(0)) > len(start) // 4:
        return "UTF-16 text without a byte order mark, or no text at all"
    return next((name for mark, name in _FOREIGN.items() if start.startswith(mark)), "")


def _table_rows(path: Path) -> Iterator[Line]:
    for number, cells, problem in iter_cells(path):
        place = str(number)
        if problem:
            yield Line(place, None, problem)
        else:
            yield _checked(place, {name: _cell_value(name, cell) for name, cell in cells})


def _cell_value(name: str, cell: str) -> Any:
    """The text of a cell; of a field that is no text (labels, options), the JSON that it holds."""
    if name not in _STRUCTURED or not cell.lstrip().startswith(("{", "[")):
        return cell
    try:
        return parse_whole(cell)
    except JsonError:
        return cell  # which is refused as the text that it is


def _rows_of_object(path: Path) -> Iterator[Line] | None:
    """The rows that the one object of the file lists; None if it is not such a file."""
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
    no_utf8 = problem_of_text(text)
    rows = (
        _checked(f"{name}[{number}]", row, no_utf8 and problem_of(row) and no_utf8)
        for number, row in enumerate(value[name])
    )
    return _with_file_names(rows, value["images"]) if isinstance(value.get("images"), list) else rows


def _with_file_names(rows: Iterator[Line], images: list[Any]) -> Iterator[Line]:
    """COCO's annotations with the stem of the image's file as `image_id`: so images are ingested."""
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
            problem = line.problem or f"no image of the file has the id {json.dumps(image_id)}"
            yield Line(line.place, None, problem)
        else:
            yield Line(line.place, {**line.fields, "image_id": stems[image_id]})


def _json_lines(path: Path, encoding: str) -> Iterator[Line]:
    # Only \n ends a line: texts may hold U+2028 and others that str.splitlines would break at.
    number = 0
    try:
        with path.open(encoding=encoding, errors="surrogateescape", newline="\n") as file:
            for number, content in enumerate(file, start=1):
                if content.strip():
                    yield _parsed_line(str(number), content)
    except UnicodeDecodeError as error:
        yield Line(str(number + 1), None, f"damaged {error.encoding} text; the rest is not read")


def _parsed_line(place: str, content: str) -> Line:
    if problem := problem_of_text(content):
        return Line(place, None, problem)
    try:
        return _checked(place, parse_whole(content))
    except JsonError as error:
        where = "" if error.column is None else f" at column {error.column}"
        return Line(place, None, f"{error.reason}{where}: {content.strip()[:_EXCERPT]}")


def _array_items(path: Path) -> Iterator[Line]:
    """The items of one JSON array, each with the line on which it starts. A syntax error ends the reading."""
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
                raise parse_error(text, position, f"',' or ']' expected, found {found!r}")
        except JsonError as error:
            where = "" if error.column is None else f" at column {error.column}"
            yield Line(str(error.line or number), None, f"{error.reason}{where}; the rest is not read")
            return
    rest = text[position + 1 :].strip()
    if rest:
        line = text.count("\n", 0, _skip_space(text, position + 1)) + 1
        yield Line(str(line), None, f"no JSON: more after the end of the array: {rest[:_EXCERPT]}")


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _checked(place: str, value: object, problem: str = "") -> Line:
    problem = problem or problem_of(value)
    if problem:
        return Line(place, None, problem)
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
