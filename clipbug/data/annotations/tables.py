"""Read text tables: a header with field names, then one row per line; quotes are escaped by doubling."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from clipbug.data.annotations.fields import is_used
from clipbug.runtime.json_reading import JsonError, decode_text, problem_of_text

_LARGEST_CELL = 1_000_000  # the csv module's default of 131,072 characters is too small for some OCR texts
_SEPARATORS = ",;\t|"  # Excel uses ; where the decimal separator is a comma; TGIF-QA's .csv files have tabs
_SEPARATOR_LINE = re.compile(r'\A"?sep=(.)"?[,;\t|]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")

_AROUND_NAMES = " \t\r\n\u00a0\u200b\ufeff"  # saving a file again may add a second byte order mark

Cells = list[tuple[str, str]]


def is_table(start: str) -> bool:
    """Return whether a text begins with a header in which at least two names are annotation fields."""
    return bool(_SEPARATOR_LINE.match(start)) or _num_used(_first_line(start), separator_of(start)) >= 2


def separator_of(text: str) -> str:
    """Return the cell separator: as a `sep=;` line declares, else the one that yields most known names."""
    declared = _SEPARATOR_LINE.match(text)
    if declared:
        return declared[1]
    line = _first_line(text)
    return max(_SEPARATORS, key=lambda one: (_num_used(line, one), line.count(one)))


def iter_cells(path: Path) -> Iterator[tuple[int, Cells, str]]:
    """Iterate over the non-blank rows of a table.

    Rows of a two-column table may have unquoted commas in the second column: everything after the first comma
    is its text.

    Yields:
        (line number, (field, text) of every non-blank cell, problem).

    Raises:
        OSError: The file cannot be opened.
    """
    try:
        text = decode_text(path.read_bytes())
    except JsonError as error:
        yield 1, [], str(error)
        return
    separator, declared = separator_of(text), _SEPARATOR_LINE.match(text)
    first_line = 2 if declared else 1
    csv.field_size_limit(_LARGEST_CELL)
    stream = io.StringIO(text[declared.end() :] if declared else text, newline="")
    reader = csv.reader(stream, delimiter=separator, strict=True)
    skipped = first_line - 1
    header: list[str] = []
    try:
        for row in reader:
            line, first_line = first_line, reader.line_num + skipped + 1
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                names = [name.strip(_AROUND_NAMES) for name in row]
                if problem := _problem_of_header(names):
                    yield line, [], problem
                    return
                header = _unique_names(names)
                continue
            yield line, *_named(header, _joined(header, row, separator), separator)
    except csv.Error as error:
        yield first_line, [], f"invalid CSV: {error}; the rest is not read"


def _joined(header: Sequence[str], row: Sequence[str], separator: str) -> Sequence[str]:
    """Rejoin the second of two columns if unquoted separators have split it."""
    return [row[0], separator.join(row[1:])] if len(header) == 2 and len(row) > 2 else row


def _problem_of_header(header: Sequence[str]) -> str:
    twice = [name for name, count in Counter(header).items() if count > 1 and is_used(name)]
    if twice:
        return f"column {twice[0]!r} occurs more than once in the header; rename one; no rows were read"
    problem = problem_of_text("".join(header))
    return f"header: {problem}; no rows were read" if problem else ""


def _unique_names(names: Sequence[str]) -> list[str]:
    """Make column names unique; a repeated "notes", which nothing reads, becomes "notes (2)"."""
    seen: Counter[str] = Counter()
    header = []
    for name in names:
        seen[name] += 1
        header.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return header


def _named(header: Sequence[str], cells: Sequence[str], separator: str) -> tuple[Cells, str]:
    if any(cell.strip() for cell in cells[len(header) :]):
        return [], (
            f"expected {len(header)} cells as in the header, got {len(cells)}; quote texts with commas"
        )
    if problem := problem_of_text(separator.join(cells)):
        return [], problem
    return [(name, cell) for name, cell in zip(header, cells, strict=False) if cell.strip()], ""


def _first_line(text: str) -> str:
    return _LINE_END.split(text.lstrip(), maxsplit=1)[0]


def _num_used(line: str, separator: str) -> int:
    """Return how many names of a header line are annotation fields, given this separator."""
    try:
        cells = next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return 0
    return sum(is_used(cell.strip()) for cell in cells)
