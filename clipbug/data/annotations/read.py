"""Read annotation files into records: detect the family, report all bad rows at once, assign unique ids."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from clipbug.config.data import Family
from clipbug.data.annotations.families import describe_families, family_of_rows, parse_row
from clipbug.data.annotations.fields import Row, RowError
from clipbug.data.annotations.lines import Line, iter_lines
from clipbug.data.annotations.media_ids import fold_id
from clipbug.data.records import QuestionOrChoice, Record
from clipbug.errors import DataError

logger = logging.getLogger(__name__)

_NUM_DETECTION_LINES = 50
_NUM_SHOWN = 10


def detect_family(path: Path) -> Family | None:
    """Detect the family from the file's first rows.

    Returns:
        The family, or None if the rows belong to no known one.

    Raises:
        DataError: The file cannot be opened.
    """
    return family_of_rows(
        line.fields for line in islice(iter_lines(path), _NUM_DETECTION_LINES) if line.fields
    )


@dataclass(frozen=True, slots=True)
class AnnotationFile:
    """Contents of an annotation file: every row is a record or a problem.

    Attributes:
        rows: (fields as in the file, record), in file order.
        problems: "file:location: reason" of the rows that cannot be used.
    """

    path: Path
    family: Family
    rows: tuple[tuple[Row, Record], ...]
    problems: tuple[str, ...]

    @property
    def records(self) -> list[Record]:
        """Return the usable rows."""
        return [record for _, record in self.rows]


def read_annotations(path: Path, *, family: Literal["auto"] | Family = "auto") -> list[Record]:
    """Read all rows of an annotation file, in file order.

    Args:
        path: Annotation file; see `iter_lines` for the formats.
        family: "auto" detects it from the fields of the rows.

    Returns:
        The records.

    Raises:
        DataError: The file does not exist, has no rows or rows of no known family, or some rows cannot be
            used (all are reported at once).
    """
    file = scan_annotations(path, family=family)
    if file.problems:
        error = _bad_rows(file)
        raise error
    types = Counter(fields.get("answer_type") for fields, _ in file.rows if _has_odd_type(fields))
    if types:
        listed = ", ".join(f'"{given}" in {count} rows' for given, count in types.items())
        logger.info("%s: normalized answer types (lower case, blank becomes unknown): %s", path, listed)
    return file.records


def scan_annotations(path: Path, *, family: Literal["auto"] | Family = "auto") -> AnnotationFile:
    """Read an annotation file like `read_annotations`, but collect the rows that cannot be used.

    Returns:
        The usable rows and the problems.

    Raises:
        DataError: The file does not exist, has no rows, or rows of no known family.
    """
    lines = list(iter_lines(path))
    if not lines:
        raise DataError(f"{path} has no rows", "give a file with one JSON object per line")
    chosen = _family(path, lines) if family == "auto" else family
    rows: list[tuple[Row, Record]] = []
    problems: list[str] = []
    for line in lines:
        source = f"{path}:{line.location}"
        try:
            fields = _fields(line)
            rows.append((fields, parse_row(fields, chosen, source)))
        except RowError as problem:
            problems.append(f"{source}: {problem}")
    records = _with_ids([record for _, record in rows])
    with_ids = tuple((fields, record) for (fields, _), record in zip(rows, records, strict=True))
    return AnnotationFile(path, chosen, with_ids, tuple(problems))


def _has_odd_type(fields: Row) -> bool:
    given = fields.get("answer_type")
    return isinstance(given, str) and (given != given.strip().lower() or not given.strip())


def _fields(line: Line) -> Row:
    if line.fields is None:
        raise RowError(line.problem)
    return line.fields


def _family(path: Path, lines: Sequence[Line]) -> Family:
    rows = [line.fields for line in lines if line.fields is not None]
    found = family_of_rows(rows[:_NUM_DETECTION_LINES]) or family_of_rows(rows)
    if found is not None:
        return found
    if not rows:
        problems = [f"{path}:{line.location}: {line.problem}" for line in lines]
        raise DataError(
            f"{len(lines)} of {len(lines)} rows of {path} cannot be used:\n{_listed(problems)}",
            "correct or remove these rows; nothing was read",
        )
    raise DataError(
        f"the rows of {path} match no known annotation format;"
        f" fields of the first row: {', '.join(rows[0]) or 'none'}",
        f"required fields by format:\n{describe_families()}",
    )


def _bad_rows(file: AnnotationFile) -> DataError:
    looks_like = family_of_rows(line.fields for line in iter_lines(file.path) if line.fields)
    num_rows = len(file.rows) + len(file.problems)
    return DataError(
        f"{len(file.problems)} of {num_rows} rows of {file.path} (read as {file.family}) cannot be used:\n"
        + _listed(file.problems),
        f"most rows look like {looks_like}: choose that task, another file or --format {looks_like}"
        if looks_like not in (None, file.family)
        else "correct or remove these rows; nothing was read",
    )


def _listed(problems: Sequence[str]) -> str:
    rest = len(problems) - _NUM_SHOWN
    more = f"\n  ... and {rest} more; all: clipbug data check FILE --json" if rest > 0 else ""
    return "\n".join(f"  {problem}" for problem in problems[:_NUM_SHOWN]) + more


def _with_ids(records: Sequence[Record]) -> list[Record]:
    """Give every record a unique id: the file's question id, else "<media_id>#<n>" for its n-th row."""
    given = [record.question_id if isinstance(record, QuestionOrChoice) else "" for record in records]
    uses = Counter(given)
    position: Counter[str] = Counter()
    numbered = []
    for record in records:
        media_id = fold_id(record.media_id)  # so that a file saved by a spreadsheet yields the same ids
        position[media_id] += 1
        numbered.append(f"{media_id}#{position[media_id]}")
    ids = [one if one and uses[one] == 1 else other for one, other in zip(given, numbered, strict=True)]
    if len(set(ids)) < len(ids):  # a question id looks like a numbered one; numbered ids alone never collide
        ids = numbered
    return [_with_id(record, record_id) for record, record_id in zip(records, ids, strict=True)]


def _with_id(record: Record, record_id: str) -> Record:
    if isinstance(record, QuestionOrChoice):
        return replace(record, record_id=record_id, question_id=record.question_id or record_id)
    return replace(record, record_id=record_id)
