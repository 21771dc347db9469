"""The families of annotation files: which fields tell them apart, and how a row of each becomes a record."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

from clipbug.data.annotations.fields import (
    Row,
    RowError,
    answer_type_field,
    id_field,
    label_fields,
    optional_id_field,
    optional_text_field,
    text_field,
)
from clipbug.data.records import CaptionRecord, QuestionRecord, Record

Family = Literal["vqa", "video_qa", "captions"]

# `image_id` is the key of the picture in the store; RICO rows have a `file_id` beside it, of the same value.
MEDIA_FIELDS: dict[Family, tuple[str, ...]] = {
    "vqa": ("image_id", "file_id"),
    "video_qa": ("video_id", "gif_name"),
    "captions": ("clip_name", "coco_id", "vg_id", "image_id", "video_id", "id"),
}
TEXT_FIELDS: dict[Family, str] = {"vqa": "question", "video_qa": "question", "captions": "caption"}
_QUESTION_ID_FIELDS = ("question_id", "qid")


def family_of_row(row: Row) -> Family | None:
    """The family whose fields the row has, or None. Rows with `options` are multiple choice: none."""
    if "options" in row:
        return None
    for family, text in TEXT_FIELDS.items():
        if text in row and any(name in row for name in MEDIA_FIELDS[family]):
            return family
    return None


def family_of_rows(rows: Iterable[Row]) -> Family | None:
    """The family of most rows, so that a mistake in one row does not decide; None if no row is of any."""
    votes = Counter(family for family in map(family_of_row, rows) if family is not None)
    return votes.most_common(1)[0][0] if votes else None


def describe_families() -> str:
    """One line per family: the fields it needs."""
    return "\n".join(
        f"  {family}: {TEXT_FIELDS[family]} + {' | '.join(fields)}" for family, fields in MEDIA_FIELDS.items()
    )


def parse_row(row: Row, family: Family, source: str) -> Record:
    """The record of one row; its `record_id` is still empty.

    Raises:
        RowError: a field is missing or cannot be used.
    """
    return _PARSERS[family](row, family, source)


def _parse_question(row: Row, family: Family, source: str) -> Record:
    if "options" in row:  # its answer is the number of an option, not a text
        raise RowError("field 'options' makes it multiple choice, which is not read yet")
    return QuestionRecord(
        record_id="",
        question_id=optional_id_field(row, _QUESTION_ID_FIELDS) or "",
        media_id=id_field(row, MEDIA_FIELDS[family]),
        question=text_field(row, TEXT_FIELDS[family]),
        labels=label_fields(row),
        answer_type=answer_type_field(row),
        app=optional_text_field(row, "app"),
        source=source,
    )


def _parse_caption(row: Row, family: Family, source: str) -> Record:
    return CaptionRecord(
        record_id="",
        media_id=id_field(row, MEDIA_FIELDS[family]),
        caption=text_field(row, TEXT_FIELDS[family]).strip(),
        app=optional_text_field(row, "app"),
        source=source,
    )


_PARSERS: dict[Family, Callable[[Row, Family, str], Record]] = {
    "vqa": _parse_question,
    "video_qa": _parse_question,
    "captions": _parse_caption,
}
