"""CSV and TSV files: a header with the names of the fields, then a row per line; quotes may be doubled."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

_LARGEST_CELL = 1_000_000  # the csv module's own limit of 131,072 characters is below some OCR texts

Cells = list[tuple[str, str]]


def iter_cells(path: Path) -> Iterator[tuple[int, Cells, str]]:
    """(line, (field, text) of every cell that is not blank, problem) of every row that is not blank.

    Rows of two columns may have unquoted commas in the second: all that follows the first comma is the text.

    Raises:
        OSError: the file cannot be opened.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield 1, [], f"no UTF-8 text at byte {error.start + 1} of the file; save the file as UTF-8"
        return
    csv.field_size_limit(_LARGEST_CELL)
    first = text.partition("\n")[0]
    delimiter = "\t" if first.count("\t") > first.count(",") else ","  # TGIF-QA's .csv files have tabs
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    first_line = 1
    try:
        for row in reader:
            line, first_line = first_line, reader.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = [name.strip() for name in row]
                continue
            cells = [row[0], delimiter.join(row[1:])] if len(header) == 2 and len(row) > 2 else row
            yield line, *_named(header, cells)
    except csv.Error as error:
        yield reader.line_num, [], f"no CSV: {error}; the rest is not read"


def _named(header: Sequence[str], cells: Sequence[str]) -> tuple[Cells, str]:
    if len(cells) > len(header):
        return [], (
            f"{len(cells)} cells where the header has {len(header)}; put a text with commas between quotes"
        )
    return [(name, cell) for name, cell in zip(header, cells, strict=False) if cell.strip()], ""
