import json
from pathlib import Path

import pytest

from clipbug.errors import DataError
from clipbug.workspace.storage import Storage, split_of

VQA_ROW = {"image_id": 1, "question": "what?", "question_id": 10, "labels": {"yes": 1.0}}
VIDEO_ROW = {"video_id": "video1", "question": "what?", "answer": "yes", "answer_type": "what"}


def write(path: Path, row: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(row))
    return path


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("vqa_k_trainval", "train"),
        ("val", "val"),
        ("val_retrieval", "val"),
        ("vqa_k_test", "test"),
        ("msrvtt_qa_valid", "val"),
        ("OB_best", None),
        ("retraining", None),
    ],
)
def test_the_name_of_a_file_says_its_part(name: str, split: str | None) -> None:
    assert split_of(Path(f"{name}.jsonl")) == split


def test_data_is_found_by_task(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    train = write(storage.annotations_dir / "rico" / "vqa_k_trainval.jsonl", VQA_ROW)
    test = write(storage.annotations_dir / "rico" / "vqa_k_test.jsonl", VQA_ROW)
    video = write(storage.annotations_dir / "tango" / "train.jsonl", VIDEO_ROW)
    assert storage.find_data("vqa").train == (train,)
    assert storage.find_data("vqa").test == (test,)
    assert storage.find_data("video_qa").train == (video,)


def test_data_of_another_format_and_kind_of_file(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    table = storage.annotations_dir / "mine" / "train.csv"
    table.parent.mkdir(parents=True)
    table.write_text("image_id,question,answer\n1,what?,yes\n")
    (storage.annotations_dir / "mine" / "train_ans2label.json").write_text('{"yes": 0}')
    assert storage.find_data("vqa").train == (table,)
    assert storage.find_data("video_qa", "vqa").train == (table,)


def test_missing_and_ambiguous_data_say_what_there_is_and_what_to_do(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    with pytest.raises(DataError, match="no annotation files") as nothing:
        storage.find_data("vqa")
    assert "clipbug finetune --task vqa --train" in nothing.value.hint
    write(storage.annotations_dir / "tango" / "train.jsonl", VIDEO_ROW)
    with pytest.raises(DataError, match=r"tango/train\.jsonl"):
        storage.find_data("vqa")
    write(storage.annotations_dir / "other" / "train.jsonl", VIDEO_ROW)
    with pytest.raises(DataError, match="2 data sets") as several:
        storage.find_data("video_qa")
    assert "other/train.jsonl" in several.value.hint
    assert "tango/train.jsonl" in several.value.hint


def test_looking_creates_nothing(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "storage")
    assert storage.stores() == []
    assert storage.runs() == []
    assert not storage.root.exists()
