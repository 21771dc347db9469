"""`infer`, `ask` and the Python API read the same media and texts in the same way."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

import clipbug
from clipbug.config import RunConfig
from clipbug.config.inference import InferenceSettings
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.errors import ConfigError
from clipbug.inference.vectors import similarity_matrix
from clipbug.recipes.ask import ask
from clipbug.recipes.infer import infer
from clipbug.recipes.ingest import ingest
from tests.helpers.model_folders import save_model
from tests.helpers.video_factory import make_video

QUESTION = "what is tapped just before the bug?"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings of different sizes and lengths."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, num_frames in (("a", 40), ("b", 25), ("c", 60)):
        make_video(folder / f"{name}.mp4", num_frames=num_frames)
    return folder


@pytest.fixture(scope="module")
def store(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("stores") / "store"
    ingest([recordings], extensions=["mp4"], file_type="video", store=store)
    return store


def model_folder(folder: Path, config: RunConfig, tokenizer: PreTrainedTokenizerBase, **changes: Any) -> Path:
    values = config.model_dump() | changes
    answers = AnswerVocabulary(("save", "cancel", "delete"))
    return save_model(folder, RunConfig.model_validate(values), tokenizer, answers)


def question_file(folder: Path) -> Path:
    """One question about one recording."""
    path = folder / "questions.jsonl"
    path.write_text(json.dumps({"question_id": "1", "video_id": "a", "question": QUESTION}))
    return path


def logits_of_infer(settings: InferenceSettings, folder: Path) -> Any:
    infer(settings, storage=folder, output=folder / "out", scores=folder / "scores.npz")
    with np.load(folder / "scores.npz") as arrays:
        return arrays["clip_logits"][0]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sampling": {"name": "clipbert"}, "resize": "clipbert", "padding": "square"},
        {"sampling": {"name": "random"}, "num_frames_per_clip": 3},
    ],
    ids=["default", "clipbert", "random"],
)
def test_ask_gives_the_logits_of_infer(
    changes: dict[str, Any],
    recordings: Path,
    store: Path,
    tmp_path: Path,
    tiny_config: RunConfig,
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    run = model_folder(tmp_path / "run", tiny_config, tiny_tokenizer, **changes)
    settings = InferenceSettings(run=run, data=question_file(tmp_path), media=(store,))
    (prediction,) = clipbug.load(run).answer(recordings / "a.mp4", [QUESTION])
    np.testing.assert_array_equal(logits_of_infer(settings, tmp_path), prediction.clip_logits)


def test_overrides_mean_the_same_for_both_and_change_the_answer(
    recordings: Path,
    store: Path,
    tmp_path: Path,
    tiny_config: RunConfig,
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    run = model_folder(tmp_path / "run", tiny_config, tiny_tokenizer)
    overrides = ("eval.num_clips=3", "sampling.name=clipbert", "resize=clipbert", "precision=fp32")
    settings = InferenceSettings(run=run, data=question_file(tmp_path), media=(store,), overrides=overrides)
    found = logits_of_infer(settings, tmp_path)
    assert len(found) == 3
    (prediction,) = clipbug.load(run, overrides=overrides).answer(recordings / "a.mp4", [QUESTION])
    np.testing.assert_array_equal(found, prediction.clip_logits)
    (plain,) = clipbug.load(run).answer(recordings / "a.mp4", [QUESTION], num_clips=3)
    assert not np.array_equal(plain.clip_logits, found)
    report = ask([recordings / "a.mp4"], [QUESTION], settings, storage=tmp_path)
    assert len(report.answers[0]["clips"]) == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sampling.nam=clipbert", r"sampling\.nam"),
        ("eval.num_clip=3", r"did you mean eval\.num_clips"),
        ("model.grid_pool=2", r"model\.grid_pool cannot be changed after training"),
        ("task.name=vqa", r"task\.name cannot be changed after training"),
    ],
)
def test_overrides_that_cannot_be_used_are_named(
    override: str,
    message: str,
    store: Path,
    recordings: Path,
    tmp_path: Path,
    tiny_config: RunConfig,
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    run = model_folder(tmp_path / "run", tiny_config, tiny_tokenizer)
    settings = InferenceSettings(run=run, data=question_file(tmp_path), media=(store,), overrides=(override,))
    with pytest.raises(ConfigError, match=message):
        infer(settings, storage=tmp_path)
    with pytest.raises(ConfigError, match=message):
        ask(
            [recordings / "a.mp4"],
            [QUESTION],
            InferenceSettings(run=run, overrides=(override,)),
            storage=tmp_path,
        )


def test_vectors_of_the_api_give_the_similarities_of_the_command(
    recordings: Path,
    store: Path,
    tmp_path: Path,
    tiny_config: RunConfig,
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    run = model_folder(tmp_path / "run", tiny_config, tiny_tokenizer)
    data = tmp_path / "duplicates.json"
    data.write_text(json.dumps({"app": {"one": ["a", "b"], "two": ["c"]}}))
    report = infer(
        InferenceSettings(run=run, data=data, media=(store,)), storage=tmp_path, output=tmp_path / "out"
    )
    assert report.scores is not None
    with np.load(report.scores) as arrays:
        names, expected = arrays["media_ids"].tolist(), arrays["model"]
    model = clipbug.load(run)
    vectors = [model.embed(recordings / f"{name}.mp4") for name in names]
    # The command computes recordings in batches, the API one by one: float32 sums round differently.
    np.testing.assert_allclose(similarity_matrix(vectors), expected, atol=1e-4)
