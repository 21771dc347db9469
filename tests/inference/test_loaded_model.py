"""The Python interface, on a small model with random weights."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

import clipbug
from clipbug.config import RunConfig
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.errors import ClipbugError, DataError, DecodeError
from clipbug.inference.loaded_model import LoadedModel
from clipbug.inference.vectors import similarity_matrix
from tests.helpers.model_folders import save_model
from tests.helpers.rounding import TERMS_OF_A_TINY_MODEL, assert_close
from tests.helpers.video_factory import make_video

DOCUMENT = Path(__file__).parents[2] / "docs/python.md"
ANSWERS = {"save": 0, "cancel": 1, "delete": 2}
QUESTIONS = ["what is tapped first?", "which screen is this", "what is tapped just before the bug?"]


@pytest.fixture
def model_folder(tmp_path: Path, tiny_config: RunConfig, tiny_tokenizer: PreTrainedTokenizerBase) -> Path:
    return save_model(tmp_path / "model", tiny_config, tiny_tokenizer, AnswerVocabulary(tuple(ANSWERS)))


@pytest.fixture
def model(model_folder: Path) -> LoadedModel:
    return clipbug.load(model_folder)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("media") / "recording.mp4", num_frames=40)


def random_frames(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 36, 3)).astype(np.uint8)


def test_the_example_of_the_document_runs(
    model_folder: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(recording.parent)
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(code.replace("storage/finetune/video-qa-001", str(model_folder)), names)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * (1 + 8)
    assert lines[0].startswith("what is tapped first? -> ")
    assert np.asarray(names["vector"]).shape == (8, 16)


def test_file_bytes_and_what_was_encoded_get_the_same_answers(model: LoadedModel, recording: Path) -> None:
    encoded = model.encode(recording)
    ways = [model.answer(visual, QUESTIONS) for visual in (recording, str(recording), encoded)]
    ways.append(model.answer(recording.read_bytes(), QUESTIONS))
    for predictions in ways:
        assert [prediction.question for prediction in predictions] == QUESTIONS
        for prediction, first in zip(predictions, ways[0], strict=True):
            np.testing.assert_array_equal(prediction.clip_logits, first.clip_logits)  # the same operations


def test_what_encode_gives(model: LoadedModel, recording: Path) -> None:
    encoded = model.encode(recording, num_clips=3)
    assert (encoded.name, encoded.kind) == ("recording.mp4", "video")
    assert encoded.frames.shape[:3] == (3, 2, 3)
    assert encoded.frames.dtype == torch.uint8
    assert encoded.grid.shape[0] == 3
    assert encoded.grid.shape[1:3] == tuple(side // 8 for side in encoded.frames.shape[-2:])
    assert encoded.frame_seconds.shape == (3, 2)
    assert encoded.clip_spans.shape == (3, 2)
    assert float(encoded.frame_seconds[0, 0]) == 0.0
    assert encoded.frame_size == (12, 32)  # 64 x 160, longer side 32, before padding
    assert not encoded.frames[..., encoded.frame_size[0] :, :].any()


def test_frames_are_read_as_a_recording_of_their_rate(model: LoadedModel) -> None:
    encoded = model.encode(random_frames(21), fps=10.0, num_clips=2)
    # regular clips: the first starts at 0, the last ends with the last picture, frames half a second apart
    np.testing.assert_allclose(encoded.frame_seconds, [[0.0, 0.5], [1.5, 2.0]])
    assert encoded.kind == "video"
    assert len(model.answer(random_frames(21), QUESTIONS, fps=10.0)) == 3


def test_one_frame_and_an_image_file_are_the_same_image(model: LoadedModel, tmp_path: Path) -> None:
    frame = random_frames(1)[0]
    assert cv2.imwrite(str(tmp_path / "screen.png"), frame[..., ::-1])
    from_array, from_file = model.encode(frame), model.encode(tmp_path / "screen.png")
    assert from_array.kind == from_file.kind == "image"
    assert torch.equal(from_array.frames, from_file.frames)
    assert torch.equal(from_array.grid, from_file.grid)


def test_a_page_too_long_to_read_is_named(
    model: LoadedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert cv2.imwrite(str(tmp_path / "page.png"), np.zeros((600, 60, 3), np.uint8))
    model.encode(tmp_path / "page.png")
    assert "page.png is too long or too wide to be read: 60 x 600 pixels" in caplog.text


def test_vectors_tell_recordings_apart(model: LoadedModel, recording: Path) -> None:
    bright, dark = np.full((64, 36, 3), 250, np.uint8), random_frames(1)[0]
    vectors = [model.embed(bright), model.embed(dark), model.embed(model.encode(dark))]
    assert all((vector.dtype, vector.shape) == (np.float32, (1, 16)) for vector in vectors)
    np.testing.assert_array_equal(vectors[1], vectors[2])
    similarities = similarity_matrix(vectors)
    np.testing.assert_allclose(similarities[1, 2], 1.0, atol=1e-6)  # rounding of float32
    assert similarities[0, 1] < 0.999
    # an image is compared with every clip of a recording
    assert similarity_matrix([*vectors, model.embed(recording, num_clips=3)]).shape == (4, 4)


def test_top_k_cuts_the_list_and_not_the_logits(model: LoadedModel, recording: Path) -> None:
    one, three = (model.answer(recording, QUESTIONS[:1], top_k=count)[0] for count in (1, 3))
    assert one.top == three.top[:1]
    assert len(three.top) == 3
    assert one.pooled_logits.shape == (3,)


def test_many_questions_are_those_questions_one_by_one(model: LoadedModel, recording: Path) -> None:
    encoded = model.encode(recording)
    many = model.answer(encoded, QUESTIONS * 100)  # more than are scored at a time
    assert [prediction.question for prediction in many] == QUESTIONS * 100
    for question, prediction in zip(QUESTIONS, many[-3:], strict=True):
        (alone,) = model.answer(encoded, [question])
        assert_close(prediction.clip_logits, alone.clip_logits, terms=TERMS_OF_A_TINY_MODEL)


def test_a_counting_model_answers_with_numbers(
    tmp_path: Path, tiny_config: RunConfig, tiny_tokenizer: PreTrainedTokenizerBase, recording: Path
) -> None:
    values = tiny_config.model_dump() | {"task": {"name": "count"}, "clip_aggregation": "mean"}
    counting = clipbug.load(
        save_model(tmp_path / "model", RunConfig.model_validate(values), tiny_tokenizer, None)
    )
    (prediction,) = counting.answer(recording, ["how many times is save tapped?"], top_k=2)
    assert prediction.answer.isdecimal()
    assert len(prediction.top) == 2


def test_no_question_no_answer(model: LoadedModel, recording: Path) -> None:
    assert model.answer(recording, []) == []


def test_problems_are_named(model: LoadedModel, tmp_path: Path, recording: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.mp4"):
        model.encode(tmp_path / "nowhere.mp4")
    (tmp_path / "notes.mp4").write_text("not a recording at all")
    with pytest.raises(DecodeError, match="text file"):
        model.encode(tmp_path / "notes.mp4")
    with pytest.raises(DecodeError, match="cut off"):
        model.encode(recording.read_bytes()[:-2000])
    with pytest.raises(ValueError, match="fps"):
        model.encode(random_frames(3))
    with pytest.raises(ValueError, match="uint8 RGB"):
        model.encode(np.zeros((3, 4), np.uint8))
    with pytest.raises(ValueError, match="list of texts"):
        model.answer(recording, "what is tapped first?")


def test_a_pretraining_model_embeds_and_refuses_questions(
    tmp_path: Path, tiny_config: RunConfig, tiny_tokenizer: PreTrainedTokenizerBase, recording: Path
) -> None:
    values = tiny_config.model_dump() | {"task": {"name": "pretraining"}}
    folder = save_model(tmp_path / "model", RunConfig.model_validate(values), tiny_tokenizer, None)
    pretrained = clipbug.load(folder)
    assert pretrained.embed(recording, num_clips=2).shape == (2, 16)
    with pytest.raises(ClipbugError, match="does not support free-form questions"):
        pretrained.answer(recording, QUESTIONS)
