"""Rows as runs take them: formats that fit the task, media by alias, missing media refused or listed."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from clipbug.builders.records import match_records, read_records, records_with_media
from clipbug.config import RunConfig
from clipbug.config.loading import load_config
from clipbug.data.annotations.families import family_of
from clipbug.errors import ConfigError, DataError
from clipbug.inference.inputs import default_data
from tests.helpers.fake_media import FakeMedia, fake_image

VIDEO = {"video_id": "video1", "question": "what?", "answer": "yes", "answer_type": "what"}
CAPTION = {"caption": "crash", "clip_name": "APOD-CC1", "retrieval_key": "ret0"}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def config_with(**data: Any) -> RunConfig:
    return load_config("tiny/video_qa", flags={f"data.{key}": value for key, value in data.items()})


def store(*media_ids: str) -> FakeMedia:
    return FakeMedia({media_id: fake_image(size=(8, 8)) for media_id in media_ids})


@pytest.mark.parametrize(
    ("task", "data_format", "family"),
    [
        ("vqa", "auto", "vqa"),
        ("vqa", "video_qa", "video_qa"),
        ("count", "auto", "video_qa"),
        ("retrieval", "captions", "captions"),
    ],
)
def test_formats_that_fit(task: str, data_format: Any, family: str) -> None:
    assert family_of(task, data_format) == family


@pytest.mark.parametrize(
    ("task", "data_format"), [("vqa", "captions"), ("retrieval", "vqa"), ("multiple_choice", "video_qa")]
)
def test_formats_that_do_not_fit_are_refused(task: str, data_format: Any) -> None:
    with pytest.raises(ConfigError, match=f"cannot use annotations of format {data_format}"):
        family_of(task, data_format)


def test_several_files_are_one_data_set_with_unique_ids(tmp_path: Path) -> None:
    files = [write(tmp_path / name / "train.jsonl", VIDEO, VIDEO) for name in ("a", "b")]
    ids = [record.record_id for record in read_records(files, "video_qa")]
    assert ids == ["video1#1", "video1#2", "1:train/video1#1", "1:train/video1#2"]


def test_missing_media_stop_a_run_unless_allowed_and_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "test.jsonl", VIDEO, {**VIDEO, "video_id": "video95"}, VIDEO)
    media = store("video1")
    with pytest.raises(DataError, match=r"'video95' at .*test\.jsonl:2"):
        records_with_media([path], config_with(), media)
    with caplog.at_level(logging.WARNING, logger="clipbug"):
        match = match_records([path], config_with(allow_missing=True), media)
    assert [record.record_id for record in match.found] == ["video1#1", "video1#2"]
    assert [record.record_id for record in match.missing] == ["video95#1"]
    assert "1 of 3 rows are left out, their media is in no store: video95" in caplog.text


def test_aliases_of_the_config(tmp_path: Path) -> None:
    aliases = write(tmp_path / "aliases.json", {"video1": "APOD-CC2"})
    path = write(tmp_path / "train.jsonl", VIDEO)
    (record,) = records_with_media([path], config_with(aliases=str(aliases)), store("APOD-CC2"))
    assert (record.media_id, record.record_id) == ("APOD-CC2", "video1#1")


def test_test_files_of_another_family_beside_the_training_file_are_passed_by(tmp_path: Path) -> None:
    train = write(tmp_path / "tango" / "train.jsonl", VIDEO)
    test = write(tmp_path / "tango" / "test.jsonl", VIDEO)
    write(tmp_path / "tango" / "OB_1_test.jsonl", CAPTION)
    assert default_data(config_with(train=[str(train)])) == (test,)


def test_media_too_narrow_to_read_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    media = FakeMedia({"1": fake_image(size=(640, 64)), "2": fake_image(size=(64, 64))})
    rows = [{"video_id": name, "question": "what?", "answer": "a"} for name in ("1", "2", "1")]
    records_with_media([write(tmp_path / "train.jsonl", *rows)], config_with(), media)
    (warning,) = [row.getMessage() for row in caplog.records if row.levelno == logging.WARNING]
    assert warning.startswith("1 media are too long or too wide to be read: 1 (64 x 640 pixels: ")
