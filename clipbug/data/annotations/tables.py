"""Tables of text: a header with the names of the fields, then a row per line; quotes may be doubled."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from clipbug.data.annotations.fields import is_used
from clipbug.runtime.json_reading import JsonError, decode_text, problem_of_text

_LARGEST_CELL = 1_000_000  # the csv module's own limit of 131,072 characters is below some OCR texts
_SEPARATORS = ",;\t|"  # Excel writes ; where a comma is the decimal sign; TGIF-QA's .csv files have tabs
_SEPARATOR_LINE = re.compile(r'\A"?sep=(.)"?[,;\t|]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")

_AROUND_NAMES = " \t\r\n\u00a0\u200b\ufeff"  # a file that is saved again may get a second byte order mark

Cells = list[tuple[str, str]]


def is_table(start: str) -> bool:
    """Whether a text begins with a header of which at least two names are fields of annotations."""
    return bool(_SEPARATOR_LINE.match(start)) or _num_used(_first_line(start), separator_of(start)) >= 2


def separator_of(text: str) -> str:
    """What separates the cells: as the line `sep=;` says, else what gives most known names in the header."""
    said = _SEPARATOR_LINE.match(text)
    if said:
        return said[1]
    line = _first_line(text)
    return max(_SEPARATORS, key=lambda one: (_num_used(line, one), line.count(one)))


def iter_cells(path: Path) -> Iterator[tuple[int, Cells, str]]:
    """(line, (field, text) of every cell that is not blank, problem) of every row that is not blank.

    Rows of two columns may have unquoted commas in the second: all that follows the first comma is the text.

    Raises:
        OSError: the file cannot be opened.
    """
    try:
        text = decode_text(path.read_bytes())
    except JsonError as error:
        yield 1, [], str(error)
        return
    separator, said = separator_of(text), _SEPARATOR_LINE.match(text)
    first_line = 2 if said else 1
    csv.field_size_limit(_LARGEST_CELL)
    stream = io.StringIO(text[said.end() :] if said else text, newline="")
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
                header = _each_once(names)
                continue
            yield line, *_named(header, _joined(header, row, separator), separator)
    except csv.Error as error:
        yield first_line, [], f"no CSV: {error}; the rest is not read"


def _joined(header: Sequence[str], row: Sequence[str], separator: str) -> Sequence[str]:
    """The cells of a row; a text of a second and last column that the separator has cut is whole again."""
    return [row[0], separator.join(row[1:])] if len(header) == 2 and len(row) > 2 else row


def _problem_of_header(header: Sequence[str]) -> str:
    twice = [name for name, count in Counter(header).items() if count > 1 and is_used(name)]
    if twice:
        return f"column {twice[0]!r} occurs more than once in the header; rename one; no row is read"
    problem = problem_of_text("".join(header))
    return f"header: {problem}; no row is read" if problem else ""


def _each_once(names: Sequence[str]) -> list[str]:
    """The names of all columns; of those that nothing reads, the second "notes" becomes "notes (2)"."""
    seen: Counter[str] = Counter()
    header = []
    for name in names:
        seen[name] += 1
        header.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return header


def _named(header: Sequence[str], cells: Sequence[str], separator: str) -> tuple[Cells, str]:
    if any(cell.strip() for cell in cells[len(header) :]):
        return [], (
            f"{len(cells)} cells where the header has {len(header)}; put a text with commas between quotes"
        )
    if problem := problem_of_text(separator.join(cells)):
        return [], problem
    return [(name, cell) for name, cell in zip(header, cells, strict=False) if cell.strip()], ""


def _first_line(text: str) -> str:
    return _LINE_END.split(text.lstrip(), maxsplit=1)[0]


def _num_used(line: str, separator: str) -> int:
    """Names of a header line that are fields of annotations, if the separator is this one."""
    try:
        cells = next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return 0
    return sum(is_used(cell.strip()) for cell in cells)
