"""Tell families of annotation files apart by their fields, and turn their rows into records."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clipbug.config.data import DataFormat, Family
from clipbug.config.task import find_task
from clipbug.data.annotations.fields import (
    Row,
    RowError,
    answer_type_field,
    has_any,
    id_field,
    label_fields,
    option_fields,
    optional_id_field,
    optional_text_field,
    text_field,
)
from clipbug.data.annotations.option_columns import OPTION_LISTS, find_option_columns
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionRecord, Record
from clipbug.errors import ConfigError

_OPEN_QUESTIONS = ("vqa", "video_qa")  # they differ in the names of their fields only

_QUESTION_ID_FIELDS = ("question_id", "qid")
_RECORDING_FIELDS = ("video_id", "gif_name", "clip_name")
# RICO rows have a `file_id` beside `image_id`, of the same value; `screenId` is Screen2Words' name for it.
_PICTURE_FIELDS = ("image_id", "file_id", "screenId")


_COLUMNS: dict[Family, str] = {"multiple_choice": " (or columns a1 | a2 ...)"}


@dataclass(frozen=True, slots=True)
class FamilyFields:
    """The fields of a family: a row has one of `media` and one of `text`.

    Attributes:
        media: names of the field with the key of the image or recording; the first that is present counts.
        text: names of the field that identifies the family; the first that is present counts.
        parse: turns a row into its record.
    """

    media: tuple[str, ...]
    text: tuple[str, ...]
    parse: Callable[[Row, "FamilyFields", str], Record]


def family_of_row(row: Row) -> Family | None:
    """Return the family whose fields the row has, or None."""
    for family, fields in FAMILIES.items():
        has_text = any(name in row for name in fields.text)
        if family == "multiple_choice":
            has_text = _has_options(row)
        if has_text and any(name in row for name in fields.media):
            return family
    return None


def _has_options(row: Row) -> bool:
    if "options" in row or any(isinstance(row.get(name), list) for name in OPTION_LISTS):
        return True
    return has_any(row, ("question", "answer")) and bool(find_option_columns(row))


def family_of_rows(rows: Iterable[Row]) -> Family | None:
    """Return the family of most rows, so that one wrong row does not decide; None if no row has a family."""
    votes = Counter(family for family in map(family_of_row, rows) if family is not None)
    return votes.most_common(1)[0][0] if votes else None


def describe_families() -> str:
    """Return one line per family with the fields that it needs."""
    return "\n".join(
        f"  {family}: {' | '.join(fields.text)}{_COLUMNS.get(family, '')} + {' | '.join(fields.media)}"
        for family, fields in FAMILIES.items()
    )


def parse_row(row: Row, family: Family, source: str) -> Record:
    """Return the record of one row; its `record_id` is still empty.

    Raises:
        RowError: a field is missing or cannot be used.
    """
    fields = FAMILIES[family]
    return fields.parse(row, fields, source)


def _parse_question(row: Row, fields: FamilyFields, source: str) -> Record:
    lists = (name for name in OPTION_LISTS if isinstance(row.get(name), list) or name == "options")
    given = next((name for name in lists if name in row), None)
    if given is not None:  # its answer is the number of an option, not a text
        raise RowError(f"field {given!r} makes it multiple choice")
    if columns := find_option_columns(row):
        raise RowError(
            f"columns {columns[0]} to {columns[-1]} make it multiple choice: its answer is the number of an"
            " option, not a text (task multiple-choice)"
        )
    return QuestionRecord(
        record_id="",
        question_id=optional_id_field(row, _QUESTION_ID_FIELDS) or "",
        media_id=id_field(row, fields.media),
        question=text_field(row, fields.text),
        labels=label_fields(row),
        answer_type=answer_type_field(row),
        app=optional_text_field(row, "app"),
        source=source,
    )


def _parse_choice(row: Row, fields: FamilyFields, source: str) -> Record:
    options, answer = option_fields(row)
    return ChoiceRecord(
        record_id="",
        question_id=optional_id_field(row, _QUESTION_ID_FIELDS) or "",
        media_id=id_field(row, fields.media),
        question=text_field(row, ("question",)) if has_any(row, ("question",)) else "",
        options=options,
        answer=answer,
        answer_type=answer_type_field(row),
        app=optional_text_field(row, "app"),
        source=source,
    )


def _parse_caption(row: Row, fields: FamilyFields, source: str) -> Record:
    return CaptionRecord(
        record_id="",
        media_id=id_field(row, fields.media),
        caption=text_field(row, fields.text).strip(),
        app=optional_text_field(row, "app"),
        source=source,
    )


# In this order: the rows of a family may have the fields of a later one too.
FAMILIES: dict[Family, FamilyFields] = {
    "multiple_choice": FamilyFields(
        (*_RECORDING_FIELDS, *_PICTURE_FIELDS, "video"), OPTION_LISTS, _parse_choice
    ),
    "vqa": FamilyFields(_PICTURE_FIELDS, ("question",), _parse_question),
    "video_qa": FamilyFields(_RECORDING_FIELDS, ("question",), _parse_question),
    "captions": FamilyFields(
        ("clip_name", "coco_id", "vg_id", *_PICTURE_FIELDS, "video_id", "gif_name", "video", "id"),
        ("caption", "summary", "description"),
        _parse_caption,
    ),
}


def family_of(task: str, data_format: DataFormat = "auto") -> Family:
    """Return the family as which the files of a task are read.

    Raises:
        ConfigError: the format that was asked for gives rows that the task cannot use.
    """
    natural = find_task(task).family
    if data_format in ("auto", natural) or {data_format, natural} <= set(_OPEN_QUESTIONS):
        return natural if data_format == "auto" else data_format
    fitting = _OPEN_QUESTIONS if natural in _OPEN_QUESTIONS else (natural,)
    raise ConfigError(
        f"task {find_task(task).option_name()} cannot use annotations of format {data_format}",
        f"formats for this task: {', '.join(fitting)}; or choose another task",
    )
