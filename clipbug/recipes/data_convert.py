"""`clipbug data convert`: convert tables and other annotation files to JSON lines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbug.config.data import DataFormat, Family
from clipbug.data.annotations import scan_annotations
from clipbug.data.annotations.answer_forms import AnswerForm, in_form
from clipbug.data.annotations.families import FAMILIES
from clipbug.data.records import (
    UNKNOWN_TYPE,
    CaptionRecord,
    ChoiceRecord,
    QuestionOrChoice,
    QuestionRecord,
    Record,
)
from clipbug.errors import DataError
from clipbug.runtime.files import atomic_write


@dataclass(frozen=True, slots=True)
class ConversionResult:
    """The result of a conversion.

    Attributes:
        output: the JSON-lines file.
        rows: number of rows in it.
        bad: every row that could not be converted, with the reason.
        changed: number of changes other than the layout, by kind of change.
    """

    output: str
    rows: int
    bad: tuple[str, ...]
    changed: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def convert_annotations(
    sources: Sequence[Path],
    *,
    output: Path,
    form: AnswerForm = "full",
    data_format: DataFormat | None = None,
) -> ConversionResult:
    """Write the rows of all files as JSON lines, in their order and with unmodified texts.

    Args:
        sources: files of one family: CSV, COCO, ScreenQA, JSON arrays, JSON lines.
        output: a new file.
        form: form of the answers; shortened answers are kept in full as `full_answer`.
        data_format: family of the files; default: inferred from their fields.

    Returns:
        The numbers of rows and changes, and the rows that could not be converted.

    Raises:
        DataError: a file cannot be read or has an unknown format, the files are of several families, or the
            output exists.
    """
    refuse_existing(output)
    files = [scan_annotations(path, family=data_format or "auto") for path in sources]
    families = sorted({file.family for file in files})
    if len(families) > 1:
        raise DataError(
            f"the files belong to several families: {', '.join(families)}", "convert each family separately"
        )
    rows = [row for file in files for row in file.rows]
    written = [_plain_row(record, families[0], form) for _, record in rows]
    types = sum(
        fields.get("answer_type") not in (None, getattr(record, "answer_type", None))
        for fields, record in rows
    )
    answers = sum("full_answer" in row for row in written)
    write_rows(output, written)
    return ConversionResult(
        output=str(output),
        rows=len(written),
        bad=tuple(problem for file in files for problem in file.problems),
        changed={"answer_types_normalized": types, "answers_shortened": answers},
    )


def refuse_existing(output: Path) -> None:
    """Raise DataError if the output exists."""
    if output.exists():
        raise DataError(f"{output} already exists", "choose another file with --output, or delete it")


def write_rows(output: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines, atomically.

    Raises:
        DataError: there are no rows.
    """
    if not rows:
        raise DataError(f"there are no rows to write to {output}", "see the rows that could not be converted")
    atomic_write(output, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _plain_row(record: Record, family: Family, form: AnswerForm) -> dict[str, Any]:
    row: dict[str, Any] = {FAMILIES[family].media[0]: record.media_id}
    if isinstance(record, CaptionRecord):
        row["caption"] = record.caption
    elif isinstance(record, QuestionOrChoice):
        row |= {"question_id": record.question_id}
        row |= {"question": record.question} if record.question else {}
        row |= _answers(record, family, form) if isinstance(record, QuestionRecord) else _options(record)
        row |= {} if record.answer_type == UNKNOWN_TYPE else {"answer_type": record.answer_type}
    return row | ({} if record.app is None else {"app": record.app})


def _answers(record: QuestionRecord, family: Family, form: AnswerForm) -> dict[str, Any]:
    if not record.labels:
        return {}
    labels: dict[str, float] = {}
    for answer, weight in record.labels.items():
        key = in_form(answer, form)
        labels[key] = min(1.0, labels.get(key, 0.0) + weight)
    whole = {} if labels == record.labels else {"full_answer": " | ".join(record.labels)}
    if family == "video_qa" and list(labels.values()) == [1.0]:
        return {"answer": next(iter(labels)), **whole}
    return {"labels": labels, **whole}


def _options(record: ChoiceRecord) -> dict[str, Any]:
    answer = {} if record.answer is None else {"answer": record.answer}
    return {"options": list(record.options), **answer}
