"""`clipbug ask` through the command line, on a small model with random weights."""

import io
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

import clipbug
from clipbug.config import RunConfig
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.ingest.arguments import files_and_questions
from clipbug.errors import CheckpointError, DataError
from clipbug.runtime.tensors import load_tensors, save_tensors
from tests.helpers.fake_recipes import exit_code_of
from tests.helpers.video_factory import make_video
from tests.inference.test_loaded_model import save_model

QUESTION = "what is tapped first?"


@pytest.fixture
def folder(
    tmp_path: Path,
    tiny_config: RunConfig,
    tiny_tokenizer: PreTrainedTokenizerBase,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The current folder, with a model for recordings and one for pictures, a recording and an image."""
    answers = AnswerVocabulary(("save", "cancel", "delete"))
    screens = RunConfig.model_validate(tiny_config.model_dump() | {"task": {"name": "vqa"}})
    save_model(tmp_path / "storage/finetune/one", tiny_config, tiny_tokenizer, answers)
    save_model(tmp_path / "storage/finetune/screens", screens, tiny_tokenizer, answers)
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
    assert page.count("<figcaption>Evidence</figcaption>") == 2
    assert page.count("data:image/jpeg") == 4  # two filmstrips, two pieces of evidence


def count_model(folder: Path, config: RunConfig, tokenizer: PreTrainedTokenizerBase) -> Path:
    """A newer run than the others, that counts."""
    values = config.model_dump() | {"task": {"name": "count"}, "clip_aggregation": "mean"}
    counting = folder / "storage/finetune/counting"
    save_model(counting, RunConfig.model_validate(values), tokenizer, None)
    later = time.time() + 60
    os.utime(counting / "config.yaml", (later, later))
    return counting


def test_each_file_is_asked_of_the_model_for_its_kind(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy("my screen.png", "really a picture.mp4")  # what a file holds decides
    found = asked(capsys, "really a picture.mp4", "recording.mp4", QUESTION)
    assert [(row["file"], row["model"]) for row in found["answers"]] == [
        ("really a picture.mp4", "storage/finetune/screens"),
        ("recording.mp4", "storage/finetune/one"),
    ]
    assert found["model"] == "storage/finetune/screens"
    assert found["models"] == ["storage/finetune/screens", "storage/finetune/one"]
    exit_code_of("ask", "recording.mp4", QUESTION)
    assert "storage/finetune/one" in capsys.readouterr().err
    assert exit_code_of("explain", "my screen.png", QUESTION, "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"] == "storage/finetune/screens"


def test_a_named_model_must_be_for_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    screens = "storage/finetune/screens"
    failure = asked(capsys, "recording.mp4", QUESTION, "--model", screens, code=1)["error"]
    assert failure["message"] == (
        "storage/finetune/screens answers questions about pictures (task vqa),"
        " and recording.mp4 is a recording"
    )
    assert "--task video-qa" in failure["hint"]
    found = asked(capsys, "recording.mp4", "my screen.png", QUESTION, "--model", screens, code=3)
    assert [row["file"] for row in found["answers"]] == ["my screen.png"]
    assert found["bad"][0]["message"] == failure["message"]
    assert exit_code_of("explain", "recording.mp4", QUESTION, "--model", screens, "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"]["message"] == failure["message"]
    with pytest.raises(CheckpointError, match=r"recording\.mp4 is a recording"):
        clipbug.load(screens).answer("recording.mp4", [QUESTION])


def test_what_a_run_was_trained_on_says_what_it_is_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("storage/finetune/screens/data.json").write_text('{"kinds": ["image", "video"]}')
    found = asked(capsys, "recording.mp4", QUESTION, "--model", "storage/finetune/screens")
    assert [row["file"] for row in found["answers"]] == ["recording.mp4"]


def test_a_model_that_counts_is_asked_for_numbers_only(
    folder: Path,
    tiny_config: RunConfig,
    tiny_tokenizer: PreTrainedTokenizerBase,
    capsys: pytest.CaptureFixture[str],
) -> None:
    count_model(folder, tiny_config, tiny_tokenizer)
    found = asked(capsys, "recording.mp4", "How many times is save tapped?", QUESTION)
    assert [row["model"].rpartition("/")[2] for row in found["answers"]] == ["counting", "one"]
    assert found["answers"][0]["answer"].isdecimal()


def test_without_a_fitting_run_what_to_train_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("storage/finetune/one")
    error = asked(capsys, "recording.mp4", QUESTION, code=1)["error"]
    assert "no run under storage answers questions about recordings" in error["message"]
    assert "screens: vqa on pictures" in error["message"]
    assert "clipbug finetune --task video-qa" in error["hint"]
    found = asked(capsys, "recording.mp4", "my screen.png", QUESTION, code=3)
    assert [row["file"] for row in found["answers"]] == ["my screen.png"]
    assert "about recordings" in found["bad"][0]["message"]


@pytest.mark.parametrize("command", ["ask", "explain"])
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("notes.txt", b"to do", "not a video, GIF or image"),
        ("empty.mp4", b"", "the file is empty"),
        ("noise.mp4", bytes(range(256)) * 40, "noise.mp4"),
    ],
)
def test_a_wrong_file_is_named_before_a_model_is_looked_for(
    command: str,
    name: str,
    content: bytes,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    assert exit_code_of(command, name, QUESTION, "--storage", "nowhere", "--json") == 1
    message = json.loads(capsys.readouterr().out)["error"]["message"]
    assert says in message
    assert "no run" not in message


def damaged(folder: Path) -> Path:
    """The model for recordings, with a weight that is not a number."""
    broken = folder / "broken"
    shutil.copytree("storage/finetune/one", broken)
    tensors = load_tensors(broken / "model.safetensors")
    tensors["bert.pooler.dense.weight"][0, 0] = float("nan")
    save_tensors(broken / "model.safetensors", tensors)
    return broken


def test_weights_that_are_not_finite_are_refused_everywhere(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = str(damaged(folder))
    for words in (
        ("ask", "recording.mp4", QUESTION, "--model", broken),
        ("explain", "recording.mp4", QUESTION, "--model", broken),
        ("weights", "export", broken, "--format", "huggingface", "--output", "hub"),
    ):
        assert exit_code_of(*words, "--json") == 1, words
        message = json.loads(capsys.readouterr().out)["error"]["message"]
        assert "bert.pooler.dense.weight: 1 values are NaN and 0 infinite" in message
    assert not Path("hub").exists()
    with pytest.raises(CheckpointError, match=r"bert\.pooler\.dense.weight"):
        clipbug.load(broken)


def test_scores_that_are_not_finite_are_no_answers(folder: Path) -> None:
    model = clipbug.load("storage/finetune/one")
    with torch.no_grad():
        next(model.model.head.parameters()).fill_(float("inf"))  # as an overflow of half precision does
    with pytest.raises(CheckpointError, match=r"recording\.mp4: the model's scores are not finite"):
        model.answer("recording.mp4", [QUESTION])


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
        (["what?"], "no file is given; 'what?' is not a file"),
        (["storage", "what?"], "storage is a folder"),
    ],
)
def test_words_that_are_neither(folder: Path, words: list[str], says: str) -> None:
    with pytest.raises(DataError, match=re.escape(says)) as error:
        files_and_questions(words)
    assert error.value.hint


@pytest.mark.parametrize(
    "question",
    [
        "which colour is it? " * 30,
        "日本語" * 40,  # 120 characters, 360 bytes
        "settings/" * 600,
        "first line\nsecond line",
        "a\0b?",
        "~nobody-of-this-name taps what?",
        "~",
    ],
    ids=repr,
)
def test_a_text_that_no_file_can_be_called_is_a_question(folder: Path, question: str) -> None:
    if question == "~":  # the home folder
        with pytest.raises(DataError, match="is a folder"):
            files_and_questions(["recording.mp4", question])
        return
    assert files_and_questions(["recording.mp4", question]) == ([Path("recording.mp4")], [question])


def test_long_and_broken_questions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "what is tapped first? " * 40
    assert exit_code_of("ask", "recording.mp4", long, "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["answers"][0]["question"] == long
    assert "1 of 1 questions are cut at data.max_text_tokens" in captured.err
    assert exit_code_of("ask", "recording.mp4", "--question", "what \udcff?", "--json") == 1
    assert "half of a character" in json.loads(capsys.readouterr().out)["error"]["message"]
