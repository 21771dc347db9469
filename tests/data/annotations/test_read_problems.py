"""Annotation files with mistakes: every one is named with its file and line."""

import json
from pathlib import Path

import pytest

from clipbug.data.annotations import detect_family, read_annotations
from clipbug.errors import DataError
from tests.helpers.annotation_rows import VIDEO_ROW, write_lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"video_id": "v", ', "invalid JSON: "),
        ("[1, 2]", "expected a JSON object, got array"),
        ('"text"', "expected a JSON object, got string"),
        ("null", "expected a JSON object, got null"),
        (
            '{"video_id": "v", "qestion": "q?"}',
            "field 'question' is missing; fields of the row: video_id, qestion; nearest: qestion",
        ),
        ('{"vidio_id": "v", "question": "q?"}', "nearest: vidio_id"),
        (
            '{"video_id": null, "question": "q?"}',
            "field 'video_id' or 'gif_name' or 'clip_name' is missing (null)",
        ),
        (
            '{"video_id": true, "question": "q?"}',
            "field 'video_id' is true, expected a string or a whole number",
        ),
        ('{"video_id": 1.5, "question": "q?"}', "field 'video_id' is 1.5"),
        ('{"video_id": " ", "question": "q?"}', "field 'video_id' is empty"),
        ('{"video_id": "v", "question": ["q"]}', "field 'question' is [\"q\"], expected a string"),
        ('{"video_id": "v", "question": " "}', "field 'question' is empty"),
        (
            '{"video_id": "v", "question": "q?", "answer": ["a"]}',
            "field 'answer' is [\"a\"], expected a string",
        ),
        ('{"video_id": "v", "question": "q?", "answer": false}', "field 'answer' is false"),
        ('{"video_id": "v", "question": "q?", "answer": " "}', "field 'answer' is empty"),
        (
            '{"video_id": "v", "question": "q?", "answer_type": 3}',
            "field 'answer_type' is 3, expected a string",
        ),
        ('{"video_id": "v", "question": "q?", "app": {}}', "field 'app' is {}"),
        (
            '{"video_id": "v", "question": "q?", "labels": ["a"]}',
            "field 'labels' is [\"a\"], expected an object",
        ),
        (
            '{"video_id": "v", "question": "q?", "labels": {"a": "1"}}',
            'field "labels[\'a\']" is "1", expected a number',
        ),
        (
            '{"video_id": "v", "question": "q?", "labels": {"a": NaN}}',
            "field 'labels.a': NaN is not valid JSON",
        ),
        (
            '{"video_id": "v", "question": "q?", "labels": {"a": 2}}',
            "labels['a'] is 2, expected a number in [0, 1]",
        ),
        ('{"video_id": "v", "question": "q?", "labels": {" ": 1}}', "'labels' has an empty answer"),
        ('{"video_id": "v", "question": "q?", "options": ["a", "b"], "answer": 1}', "multiple-choice"),
    ],
)
def test_every_bad_line_is_named_with_file_and_line(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / "qa.jsonl"
    path.write_text(f"{json.dumps(VIDEO_ROW)}\n{line}\n{json.dumps(VIDEO_ROW)}\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_annotations(path)
    assert "1 of 3 rows" in caught.value.message
    assert f"{path}:2: " in caught.value.message
    assert expected in caught.value.message


def test_a_line_that_is_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    path.write_bytes(json.dumps(VIDEO_ROW).encode() + b'\n{"video_id": "\xff"}\n')
    with pytest.raises(DataError, match=r"qa\.jsonl:2: invalid UTF-8 at byte 15"):
        read_annotations(path)


def test_all_bad_lines_are_counted_and_the_first_ten_shown(tmp_path: Path) -> None:
    rows = [VIDEO_ROW, *({"video_id": f"v{number}"} for number in range(13))]
    path = write_lines(tmp_path / "qa.jsonl", rows)
    with pytest.raises(DataError) as caught:
        read_annotations(path, family="video_qa")
    assert "13 of 14 rows" in caught.value.message
    assert f"{path}:11: " in caught.value.message
    assert f"{path}:12: " not in caught.value.message
    assert "... and 3 more" in caught.value.message


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ('[\n {"video_id": "v",\n]', 3, "invalid JSON"),
        ('[\n {"video_id": "v", "question": "q?"}\n', 3, "expected ',' or ']'"),
        (
            '[\n {"video_id": "v", "question": "q?"}\n {"video_id": "v", "question": "q?"}]',
            3,
            "expected ',' or ']'",
        ),
        ('[\n {"video_id": "v", "question": "q?"},\n\n 5]', 4, "expected a JSON object, got number"),
    ],
)
def test_a_damaged_array_names_its_line(tmp_path: Path, text: str, place: int, expected: str) -> None:
    path = tmp_path / "qa.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_annotations(path)
    assert f"{path}:{place}: " in caught.value.message
    assert expected in caught.value.message


@pytest.mark.parametrize("text", ["", "\n \n", "[]"])
def test_an_empty_file_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "qa.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="has no rows"):
        read_annotations(path)
    assert detect_family(path) is None


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "no.jsonl", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_annotations(path)


def test_rows_of_no_family_list_what_families_need(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [{"file": "3.jpg", "screen": "Home"}])
    assert detect_family(path) is None
    with pytest.raises(DataError, match="fields of the first row: file, screen") as caught:
        read_annotations(path)
    assert "video_id | gif_name" in caught.value.hint


def test_the_index_of_an_option_is_never_read_as_an_answer(tmp_path: Path) -> None:
    row = {"gif_name": "v", "question": "what?", "options": ["a", "b"], "answer": 0}
    path = write_lines(tmp_path / "mc.jsonl", [row])
    with pytest.raises(DataError, match="multiple-choice"):
        read_annotations(path, family="video_qa")


def test_a_file_of_another_family_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_annotations(write_lines(tmp_path / "qa.jsonl", [VIDEO_ROW] * 3), family="vqa")
    assert "video_qa" in caught.value.hint
