"""`clipbug ask` through the command line, on a small model with random weights."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

import clipbug
from clipbug.config import RunConfig
from clipbug.data.answers import AnswerVocabulary
from clipbug.errors import DataError
from clipbug.recipes.asking import files_and_questions
from tests.cli.fakes import exit_code_of
from tests.recipes.test_loaded_model import save_model
from tests.video_factory import make_video

QUESTION = "what is tapped first?"


@pytest.fixture
def folder(
    tmp_path: Path,
    tiny_config: RunConfig,
    tiny_tokenizer: PreTrainedTokenizerBase,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The current folder, with a model as the newest run of the storage, a recording and an image."""
    answers = AnswerVocabulary(("save", "cancel", "delete"))
    save_model(tmp_path / "storage/finetune/one", tiny_config, tiny_tokenizer, answers)
    make_video(tmp_path / "recording.mp4", num_frames=40)
    cv2.imwrite(str(tmp_path / "my screen.png"), np.full((40, 30, 3), 99, np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLIPBUG_STORAGE", raising=False)
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert exit_code_of("ask", *words, "--json") == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_answers_are_those_of_the_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "recording.mp4", "my screen.png", QUESTION, "--n-clips", "3", "--top-k", "2")
    assert [(row["file"], row["kind"]) for row in found["answers"]] == [
        ("recording.mp4", "video"),
        ("my screen.png", "image"),
    ]
    model = clipbug.load("storage/finetune/one")
    [expected] = model.answer("recording.mp4", [QUESTION], num_clips=3, top_k=2)
    row = found["answers"][0]
    assert (row["question"], row["answer"]) == (QUESTION, expected.answer)
    assert row["probability"] == pytest.approx(expected.probability)
    assert [name for name, _ in row["top"]] == [name for name, _ in expected.top]
    assert [clip["frame_seconds"] for clip in row["clips"]] == [
        list(clip.frame_seconds) for clip in expected.clips
    ]
    assert len(found["answers"][1]["clips"]) == 1
    assert list(found["seconds"]) == ["loading", "encoding", "answering"]
    assert all(seconds > 0 for seconds in found["seconds"].values())


def test_questions_come_from_standard_input(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{QUESTION}\n\n  which screen is this \n"))
    found = asked(capsys, "recording.mp4")
    assert [row["question"] for row in found["answers"]] == [QUESTION, "which screen is this"]


def test_a_file_that_cannot_be_read_is_named_and_the_others_answered(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("notes.mp4").write_text("not a recording")
    found = asked(capsys, "notes.mp4", "recording.mp4", QUESTION, code=3)
    assert [row["file"] for row in found["answers"]] == ["recording.mp4"]
    assert found["bad"][0]["file"] == "notes.mp4"
    assert "text file" in found["bad"][0]["message"]
    failure = asked(capsys, "notes.mp4", QUESTION, code=1)
    assert "text file" in failure["error"]["message"]


def test_times_are_those_of_a_player(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_video(folder / "late.mp4", num_frames=40, first_pts=50)
    row = asked(capsys, "late.mp4", QUESTION, "--n-clips", "3")["answers"][0]
    assert row["clips"][0]["start_seconds"] == row["clips"][0]["frame_seconds"][0] == 5.0
    assert row["clips"][-1]["frame_seconds"][-1] == pytest.approx(8.9)
    assert row["clips"][-1]["end_seconds"] <= 9.0
    assert row["notes"] == []


@pytest.mark.parametrize("damage", ["cut", "hole"])
def test_a_damaged_recording_is_answered_with_a_warning(
    damage: str, folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(0).integers(256, size=(40, 64, 160, 3), dtype=np.uint8)
    options = {"options": {"g": "8", "bf": "0"}, "container_options": {"movflags": "faststart"}}
    data = make_video(folder / "whole.mp4", num_frames=40, pictures=list(noise), **options).read_bytes()
    end = len(data) * 3 // 4
    rest = b"" if damage == "cut" else bytes(1000) + data[end + 1000 :]
    (folder / "r.mp4").write_bytes(data[:end] + rest)
    row = asked(capsys, "r.mp4", QUESTION, "--n-clips", "4")["answers"][0]
    [note] = row["notes"]
    assert ("cut off" if damage == "cut" else "damaged") in note
    assert f"r.mp4: {note}" in caplog.text


def test_a_page_with_frames_and_evidence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "recording.mp4", "my screen.png", QUESTION, "--report", "out/page.html")
    assert found["report"] == "out/page.html"
    page = Path("out/page.html").read_text(encoding="utf-8")
    assert page.count("<article") == 2
    assert page.count("What the answer rests on") == 2
    assert page.count("data:image/jpeg") == 4  # two filmstrips, two pieces of evidence


def test_what_people_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of("ask", "recording.mp4", QUESTION, "-q") == 0
    text = capsys.readouterr().out
    assert QUESTION in text
    assert "\x1b" not in text, "no escape codes where there is no terminal"
    assert "0.0 s" in text


def test_explain(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of("explain", "recording.mp4", QUESTION, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["picture"]).name == "recording.evidence.png"
    assert cv2.imread(found["picture"]) is not None
    assert exit_code_of("explain", "recording.mp4", QUESTION, "--answer", "fly", "--json") == 1
    assert "'fly'" in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize(
    ("words", "files", "questions"),
    [
        (["recording.mp4", "what?"], ["recording.mp4"], ["what?"]),
        (["what?", "recording.mp4", "and?"], ["recording.mp4"], ["what?", "and?"]),
        (["recording.mp4", "my screen.png"], ["recording.mp4", "my screen.png"], []),
        (["./recording.mp4", "recording"], ["recording.mp4"], ["recording"]),
    ],
)
def test_files_and_questions(folder: Path, words: list[str], files: list[str], questions: list[str]) -> None:
    assert files_and_questions(words) == (list(map(Path, files)), questions)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["missing.mp4", "what?"], "missing.mp4"),
        (["My Recording.WEBM"], "My Recording.WEBM"),
        (["what?"], "no file to ask about; 'what?' is no file"),
        (["storage", "what?"], "storage is a folder"),
    ],
)
def test_words_that_are_neither(folder: Path, words: list[str], says: str) -> None:
    with pytest.raises(DataError, match=re.escape(says)) as error:
        files_and_questions(words)
    assert error.value.hint
