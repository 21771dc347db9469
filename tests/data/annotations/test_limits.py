"""What JSON may hold and no text or number can: named in every field, of every kind of file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipbug.config.data import Family
from clipbug.data.annotations import load_aliases, read_annotations, scan_annotations
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.annotations.duplicates import is_duplicates_file, read_duplicates
from clipbug.data.annotations.github_issues import issues_in
from clipbug.errors import ClipbugError, DataError
from clipbug.evaluation.predictions_file import read_predictions
from clipbug.interop.clipbert_config import read_legacy_file
from clipbug.recipes.data_split import split_annotations

GOOD: dict[Family, dict[str, Any]] = {
    "video_qa": {"video_id": "v", "question": "q?", "answer": "a", "question_id": 1, "app": "x"},
    "vqa": {"image_id": 3, "question": "q?", "labels": {"a": 1.0}, "answer_type": "what"},
    "multiple_choice": {"gif_name": "g", "question": "q?", "options": ["a", "b"], "answer": 0},
    "captions": {"clip_name": "c", "caption": "a list", "more": [1]},
}
FIELDS = [(family, name) for family, row in GOOD.items() for name in row]
BAD = {
    "1e999": "too large for a float",
    "-Infinity": "is not valid JSON",
    "NaN": "is not valid JSON",
    "1" * 5000: "a number of 5000 digits",
    '"\\ud83d"': "half of a character",
    '["x", "\\udc00"]': "half of a character",
    '{"\\udc00": 1}': "half of a character",
    "[" * 150 + "]" * 150: "nested more than 100 levels",
    '{"k": 1, "k": 1}': "key 'k' occurs more than once",
}


def with_value(row: dict[str, Any], name: str, value: str) -> str:
    return json.dumps({**row, name: "HERE"}).replace('"HERE"', value)


@pytest.mark.parametrize("layout", ["lines", "array", "object"])
@pytest.mark.parametrize("value", BAD, ids=BAD.values())
@pytest.mark.parametrize(("family", "name"), FIELDS)
def test_the_row_is_named_and_the_others_are_read(
    tmp_path: Path, family: Family, name: str, value: str, layout: str
) -> None:
    good = json.dumps(GOOD[family])
    rows = [good, with_value(GOOD[family], name, value), good]
    path, place = tmp_path / "rows.json", "2"
    if layout == "array":
        path.write_text("[" + ",\n".join(rows) + "]")
    elif layout == "object":
        path.write_text(f'{{"annotations": [{", ".join(rows)}]}}')
        place = "annotations[1]"
    else:
        path.write_text("\n".join(rows))
    file = scan_annotations(path)
    assert (file.family, len(file.records)) == (family, 2)
    (problem,) = file.problems
    assert problem.startswith(f"{path}:{place}: ")
    assert BAD[value] in problem
    problem.encode()
    with pytest.raises(DataError, match="1 of 3 rows"):
        read_annotations(path)


@pytest.mark.parametrize("name", ["answer", "video_id", "question", "labels"])
def test_a_key_twice_in_a_row(tmp_path: Path, name: str) -> None:
    row = json.dumps(GOOD["video_qa"])[:-1]
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{json.dumps(GOOD["video_qa"])}\n{row}, "{name}": "x", "{name}": "y"}}\n')
    assert scan_annotations(path).problems == (f"{path}:2: key {name!r} occurs more than once in one object",)


def test_nesting_that_no_reader_can_follow(tmp_path: Path) -> None:
    deep = with_value(GOOD["video_qa"], "x", "[" * 100_000 + "]" * 100_000)
    good = json.dumps(GOOD["video_qa"])
    for text in (f"{good}\n{deep}\n", f"[{good},\n{deep},\n{good}]"):
        path = tmp_path / "rows.json"
        path.write_text(text)
        file = scan_annotations(path)
        assert len(file.records) == 1
        assert file.problems[0].startswith(f"{path}:2: nested more than")


def test_numbers_that_a_float_cannot_keep(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        ('{"video_id": 12345678901234567890.0, "question": "q"}', "field 'video_id' is 1.23"),
        ('{"video_id": "v", "question": "q", "answer": 12345678901234567890.0}', "field 'answer' is 1.23"),
    ]
    path.write_text("\n".join(row for row, _ in rows))
    problems = scan_annotations(path, family="video_qa").problems
    assert [expected in problem for (_, expected), problem in zip(rows, problems, strict=True)] == [True] * 2
    path.write_text('{"video_id": 12345678901234567890, "question": "q", "answer": 12345678901234567891}')
    (record,) = read_annotations(path)
    assert (record.media_id, record.labels) == ("12345678901234567890", {"12345678901234567891": 1.0})  # type: ignore[union-attr]


def _split(path: Path) -> None:
    rows = path.with_name("all.jsonl")
    rows.write_text("".join(json.dumps({**GOOD["video_qa"], "video_id": name}) + "\n" for name in "ab"))
    split_annotations(rows, output=path.with_name("out"), groups=path)


def _issue(path: Path) -> None:
    problems = [issue for issue in issues_in(path) if isinstance(issue, str)]
    if problems:
        raise DataError(f"{problems[0]} in issue")


READERS: list[tuple[Callable[[Path], object], str]] = [
    (load_aliases, '{"a": "b", "c": %s}'),
    (AnswerVocabulary.load, '{"a": 0, "b": %s}'),
    (lambda path: AnswerVocabulary.load_for_classes(path, 9), '{"a": 0, "b": %s}'),
    (read_duplicates, '{"app": {"bug": ["a", %s]}}'),
    (_split, '{"app": {"bug": ["a", %s]}}'),
    (read_legacy_file, '{"task": "action", "x": %s}'),
    (_issue, '{"title": "t", "number": 1, "body": %s}'),
    (read_predictions, '{"id": "1", "answer": "a", "probability": %s}'),
]


@pytest.mark.parametrize("value", BAD, ids=BAD.values())
@pytest.mark.parametrize(("read", "text"), READERS, ids=[text for _, text in READERS])
def test_other_files_are_refused_by_name(
    tmp_path: Path, read: Callable[[Path], object], text: str, value: str
) -> None:
    path = tmp_path / "given.json"
    path.write_text(text % value)
    with pytest.raises(ClipbugError, match=r"given\.json") as caught:
        read(path)
    assert BAD[value] in str(caught.value)
    path.write_text(text % ("[" * 100_000 + "]" * 100_000))
    with pytest.raises(ClipbugError, match="nested more than"):
        read(path)
    is_duplicates_file(path)  # which answers for any file


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marked_encodings_of_other_files(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "given.json"
    path.write_text('{"ä": "b", "3": 4.0}', encoding=encoding)
    assert load_aliases(path) == {"ä": "b", "3": "4.0"}
    path.write_text('{"ä": 0}', encoding=encoding)
    assert AnswerVocabulary.load(path).answers == ("ä",)
