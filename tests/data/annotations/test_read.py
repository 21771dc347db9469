"""Annotation files of every family and their quirks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clipbug.data.annotations import detect_family, read_annotations
from clipbug.data.records import CaptionRecord, QuestionRecord, Record
from tests.helpers.annotation_rows import IMAGE_ROW, VIDEO_ROW, write_lines


def read_questions(path: Path) -> list[QuestionRecord]:
    records = read_annotations(path)
    assert all(isinstance(record, QuestionRecord) for record in records)
    return records  # type: ignore[return-value]


def test_image_questions_with_soft_labels(tmp_path: Path) -> None:
    rows = [
        {
            "image_id": 0,
            "labels": {"CANCEL": 0.5, " OK ": 1},
            "question_id": 1,
            "answer_type": "other",
            "question_type": "what",
            "question": "What will be your tap?",
            "file_id": "0",
        }
    ]
    path = write_lines(tmp_path / "vqa.jsonl", rows)
    assert detect_family(path) == "vqa"
    assert read_annotations(path) == [
        QuestionRecord(
            record_id="1",
            question_id="1",
            media_id="0",
            question="What will be your tap?",
            labels={"CANCEL": 0.5, "OK": 1.0},
            answer_type="other",
            source=f"{path}:1",
        )
    ]


def test_image_id_names_the_picture_and_file_id_stands_in(tmp_path: Path) -> None:
    rows = [{**IMAGE_ROW, "file_id": "else"}, {"file_id": 7, "question": "a?", "question_id": 70}]
    path = write_lines(tmp_path / "vqa.jsonl", rows)
    assert [record.media_id for record in read_annotations(path)] == ["3", "7"]


@pytest.mark.parametrize(
    ("given", "kept"), [("What", "what"), ("", "unknown"), (" how ", "how"), (None, "unknown")]
)
def test_video_questions_and_types(tmp_path: Path, given: str | None, kept: str) -> None:
    path = write_lines(tmp_path / "qa.jsonl", [{**VIDEO_ROW, "answer": " delete\n", "answer_type": given}])
    assert detect_family(path) == "video_qa"
    (record,) = read_questions(path)
    assert record.labels == {"delete": 1.0}
    assert record.answer_type == kept


def test_gif_name_whole_number_answer_and_app(tmp_path: Path) -> None:
    row = {"gif_name": "tumblr", "question": "how many?", "answer": 45, "app": "APOD"}
    (record,) = read_questions(write_lines(tmp_path / "qa.jsonl", [row]))
    assert (record.media_id, record.labels, record.app) == ("tumblr", {"45": 1.0}, "APOD")


@pytest.mark.parametrize("field", ["clip_name", "coco_id", "vg_id", "image_id", "video_id", "id"])
def test_captions(tmp_path: Path, field: str) -> None:
    path = write_lines(tmp_path / "captions.jsonl", [{field: 12, "caption": " The app crashes \u2026 "}])
    assert detect_family(path) == "captions"
    expected = CaptionRecord("12#1", "12", "The app crashes \u2026", None, f"{path}:1")
    assert read_annotations(path) == [expected]


def test_the_id_of_a_caption_itself_does_not_name_the_picture(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "coco.jsonl", [{"id": 9, "image_id": 4, "caption": "a list"}])
    assert read_annotations(path)[0].media_id == "4"


@pytest.mark.parametrize("answer", [{}, {"answer": None}, {"labels": None}, {"labels": {}}])
def test_rows_without_answers(tmp_path: Path, answer: dict[str, Any]) -> None:
    row = {"video_id": "video2", "question": "what is tapped?", **answer}
    (record,) = read_questions(write_lines(tmp_path / "test.jsonl", [row]))
    assert record.labels == {}
    assert record.answer is None


def test_labels_that_become_equal_add_up(tmp_path: Path) -> None:
    row = {**IMAGE_ROW, "labels": {"OK": 0.25, "OK ": 0.5, "x": 0.7, " x": 0.7}}
    (record,) = read_questions(write_lines(tmp_path / "vqa.jsonl", [row]))
    assert record.labels == {"OK": 0.75, "x": 1.0}


def test_forced_family_overrides_detection(tmp_path: Path) -> None:
    row = {"video_id": "v", "question": "q?", "answer": "a", "caption": "both", "clip_name": "c"}
    path = write_lines(tmp_path / "both.jsonl", [row])
    assert isinstance(read_annotations(path, family="captions")[0], CaptionRecord)
    assert isinstance(read_annotations(path, family="video_qa")[0], QuestionRecord)


def ids(records: Sequence[Record]) -> list[str]:
    return [record.record_id for record in records]


def test_rows_without_ids_are_numbered_by_media_in_file_order(tmp_path: Path) -> None:
    rows = [{**VIDEO_ROW, "video_id": video} for video in ("a", "b", "a", "a")]
    records = read_questions(write_lines(tmp_path / "qa.jsonl", rows))
    assert ids(records) == ["a#1", "b#1", "a#2", "a#3"]
    assert [record.question_id for record in records] == ids(records)


def test_repeated_question_ids_become_unique_and_stay_visible(tmp_path: Path) -> None:
    rows = [{**IMAGE_ROW, "question_id": number} for number in (940, 941, 940)]
    records = read_questions(write_lines(tmp_path / "vqa.jsonl", rows))
    assert ids(records) == ["3#1", "941", "3#3"]
    assert [record.question_id for record in records] == ["940", "941", "940"]


def test_a_question_id_that_looks_numbered_collides_with_nothing(tmp_path: Path) -> None:
    rows = [{**VIDEO_ROW, "video_id": "a"}, {**VIDEO_ROW, "video_id": "b", "qid": "a#1"}]
    assert ids(read_annotations(write_lines(tmp_path / "qa.jsonl", rows))) == ["a#1", "b#1"]


def test_json_array_gives_the_same_rows_with_their_lines(tmp_path: Path) -> None:
    rows = [VIDEO_ROW, {**VIDEO_ROW, "video_id": "video3"}, {**VIDEO_ROW, "video_id": "video4"}]
    lines = read_annotations(write_lines(tmp_path / "qa.jsonl", rows))
    array = tmp_path / "qa.json"
    array.write_text("\ufeff" + json.dumps(rows, indent=2), encoding="utf-8")
    assert detect_family(array) == "video_qa"
    assert ids(read_annotations(array)) == ids(lines)
    # "[" is line 1; every object takes 6 lines: brace, 4 fields, brace
    assert [record.source for record in read_annotations(array)] == [f"{array}:{line}" for line in (2, 8, 14)]


def test_only_newlines_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    text = json.dumps({**VIDEO_ROW, "question": "a\u2028b\x85c?"}, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n  \n" + text.encode() + b"\n")
    records = read_questions(path)
    assert [record.question for record in records] == ["a\u2028b\x85c?"] * 2
    assert [record.source for record in records] == [f"{path}:1", f"{path}:4"]
