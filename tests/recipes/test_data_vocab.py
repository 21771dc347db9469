"""Vocabularies from training files alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipbug.errors import DataError
from clipbug.recipes.data_vocab import make_vocabulary

VIDEO = {"video_id": "video1", "question": "what is tapped?", "answer": "save", "answer_type": "what"}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_answers_by_frequency_and_spelling(tmp_path: Path) -> None:
    rows = [{**VIDEO, "answer": answer} for answer in ("Save", "save", "menu", "save", "undo", "menu")]
    files = [write(tmp_path / "a_train.jsonl", *rows[:3]), write(tmp_path / "b_train.jsonl", *rows[3:])]
    output = tmp_path / "new" / "ans2label.json"
    report = make_vocabulary(files, output=output, min_count=2).to_json()
    assert json.loads(output.read_text()) == {"save": 0, "menu": 1}
    assert report == {
        "output": str(output),
        "files": list(map(str, files)) if isinstance(report["files"], list) else tuple(map(str, files)),
        "answers": 2,
        "rows": 6,
        "covered": pytest.approx(5 / 6),
        "merged": 1,
        "left_out": 1,
    }
    make_vocabulary(files, output=output, min_count=2)  # the same again is no danger
    with pytest.raises(DataError, match="contains another vocabulary"):
        make_vocabulary(files, output=output)


def test_answers_in_another_form(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", {**VIDEO, "answer": 'Click the "add task" button.'})
    make_vocabulary([train], output=tmp_path / "short.json", form="short")
    make_vocabulary([train], output=tmp_path / "token.json", form="first-token")
    assert json.loads((tmp_path / "short.json").read_text()) == {"click add task button": 0}
    assert json.loads((tmp_path / "token.json").read_text()) == {"add": 0}


@pytest.mark.parametrize("name", ["val.jsonl", "vqa_k_test.jsonl"])
def test_held_out_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="validation or test data by its name"):
        make_vocabulary([write(tmp_path / name, VIDEO)], output=tmp_path / "x.json")


def test_files_without_open_questions_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", {"caption": "crash", "clip_name": "v"})
    with pytest.raises(DataError, match="without open-ended questions"):
        make_vocabulary([path], output=tmp_path / "x.json")
