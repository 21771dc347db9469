"""Files that say which recordings show the same bug."""

import json
from pathlib import Path

import pytest

from clipbug.data.annotations.duplicates import BugRecording, is_duplicates_file, read_duplicates
from clipbug.errors import DataError


def file_of(content: object, folder: Path, name: str = "duplicates.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_recordings_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = file_of({"todo": {"a": ["v1", "v2"], "b": ["v3"]}, "game": {"a": ["v4"]}}, tmp_path)
    assert is_duplicates_file(path)
    assert read_duplicates(path) == [
        BugRecording("v1", "todo", "a"),
        BugRecording("v2", "todo", "a"),
        BugRecording("v3", "todo", "b"),
        BugRecording("v4", "game", "a"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ([], "one key per app"),
        ({}, "one key per app"),
        ({"todo": ["v1"]}, "app 'todo' to be an object"),
        ({"todo": {"a": "v1"}}, "bug 'a' of app 'todo' to be a list"),
        ({"todo": {"a": [1]}}, "bug 'a' of app 'todo' to be a list"),
        ({"todo": {"a": ["v1", "v2"], "b": ["v1"]}}, "lists 1 recordings more than once: v1"),
    ],
)
def test_what_cannot_be_used(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_duplicates(file_of(content, tmp_path))


def test_other_files_are_not_taken_for_it(tmp_path: Path) -> None:
    assert not is_duplicates_file(tmp_path / "missing.json")
    assert not is_duplicates_file(file_of({"todo": {"a": ["v1"]}}, tmp_path, "rows.jsonl"))
    assert not is_duplicates_file(file_of([{"caption": "x", "clip_name": "v1"}], tmp_path, "rows.json"))
    assert not is_duplicates_file(file_of({"yes": 0, "no": 1}, tmp_path, "ans2label.json"))


def test_two_unicode_forms_are_one_recording(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lists 1 recordings more than once"):
        read_duplicates(file_of({"todo": {"a": ["Caf\u00e9"], "b": ["Cafe\u0301"]}}, tmp_path))
