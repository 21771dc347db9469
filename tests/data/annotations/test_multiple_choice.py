"""Rows with answers to choose from: as TGIF-QA and MSRVTT-MC have them."""

from pathlib import Path
from typing import Any

import pytest

from clipbug.data.annotations import detect_family, read_annotations
from clipbug.data.records import ChoiceRecord
from clipbug.errors import DataError
from tests.helpers.annotation_rows import write_lines

OPTIONS = ["tap", "scroll", "type", "3", "wait"]
ACTION_ROW = {"gif_name": "gif7", "question": "what happens 2 times?", "options": OPTIONS, "answer": 4}


def read_one(tmp_path: Path, row: dict[str, Any]) -> ChoiceRecord:
    path = write_lines(tmp_path / "choice.jsonl", [row])
    assert detect_family(path) == "multiple_choice"
    (record,) = read_annotations(path)
    assert isinstance(record, ChoiceRecord)
    return record


def test_questions_with_options(tmp_path: Path) -> None:
    record = read_one(tmp_path, ACTION_ROW)
    assert record == ChoiceRecord(
        record_id="gif7#1",
        question_id="gif7#1",
        media_id="gif7",
        question="what happens 2 times?",
        options=tuple(OPTIONS),
        answer=4,
        source=f"{tmp_path / 'choice.jsonl'}:1",
    )


def test_captions_to_choose_from_have_no_question(tmp_path: Path) -> None:
    row = {"qid": 12, "clip_name": "video9770", "options": OPTIONS, "answer": 0}
    record = read_one(tmp_path, row)
    assert (record.question, record.text, record.record_id, record.question_id) == ("", "", "12", "12")
    assert record.answer == 0


@pytest.mark.parametrize(
    ("given", "index"), [(0, 0), ("4", 4), ("scroll", 1), ("3", 3), (None, None), (" 2 ", 2)]
)
def test_the_answer_is_an_index_or_the_text_of_an_option(
    tmp_path: Path, given: object, index: int | None
) -> None:
    assert read_one(tmp_path, {**ACTION_ROW, "answer": given}).answer == index


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"answer": 5}, "field 'answer' is 5, but the last option has index 4"),
        ({"answer": -1}, "field 'answer' is -1"),
        ({"answer": True}, "field 'answer' is true, expected the index of an option or its text"),
        ({"answer": "swim"}, "field 'answer' is \"swim\""),
        ({"options": "tap"}, "field 'options' is \"tap\", expected a list of strings"),
        ({"options": ["tap", 3]}, "expected a list of strings"),
        ({"options": ["tap"]}, "field 'options' has 1 options, expected at least 2"),
        ({"options": ["tap", " "]}, "field 'options' has an empty option"),
        ({"gif_name": None}, "field 'video_id' or 'gif_name'"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    path = write_lines(tmp_path / "choice.jsonl", [ACTION_ROW, {**ACTION_ROW, **change}])
    with pytest.raises(DataError) as caught:
        read_annotations(path)
    assert f"{path}:2: " in caught.value.message
    assert expected in caught.value.message
