"""The configs that travel with clipbug: all load, are short, and name the command that runs them."""

import shlex
from pathlib import Path

import pytest

from clipbug.config import presets
from clipbug.config.loading import load_config
from clipbug.config.presets import default_preset, preset_command, preset_names, presets_folder
from clipbug.config.schema import tags_at
from clipbug.errors import ConfigError
from tests.helpers.fake_recipes import FakeRecipes, exit_code_of

FILES = sorted(presets_folder().rglob("*"))
MAX_LINES = 40  # DESIGN.md section 4


def test_every_file_in_the_folder_is_a_preset() -> None:
    found = {path.relative_to(presets_folder()).as_posix() for path in FILES if path.is_file()}
    assert found == {f"{name}.yaml" for name in preset_names()}


@pytest.mark.parametrize("name", preset_names())
def test_preset(name: str, recipes: FakeRecipes) -> None:
    text = (presets_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert text.startswith("# clipbug ")
    program, *words = shlex.split(preset_command(name))
    assert program == "clipbug"
    assert words[words.index("--config") + 1] == name
    assert exit_code_of(*words) == 0
    assert recipes.arguments["first"].task == load_config(name).task


@pytest.mark.parametrize("task", tags_at("task"))
def test_every_task_has_a_preset_and_a_tiny_one(task: str) -> None:
    assert load_config(default_preset(task)).task.name == task
    assert default_preset(task.replace("_", "-")) == default_preset(task)
    tiny = load_config(f"tiny/{task}")
    assert tiny.task.name == task
    assert tiny.train.max_steps is not None
    assert tiny.train.max_steps <= 10
    assert tiny.max_frame_size <= 64


# Of the JSON configs of ClipBERT and ClipBugBERT: learning rate, batch, accumulation, epochs, frames, fps,
# clips, frame size, text tokens, texts per visual, greatest gradient norm. Images: one clip of one frame.
ORIGINAL = {
    "vqa": (1e-4, 32, 1, 5, 1, None, 1, 768, 20, 2, 2.0),
    "rico_vqa": (1e-4, 32, 1, 10, 1, None, 1, 768, 20, 2, 2.0),
    "tango_qa": (5e-5, 1, 1, 10, 2, 2, 8, 448, 100, 1, 5.0),
    "msrvtt_qa": (5e-5, 16, 1, 10, 2, 2, 8, 448, 100, 1, 5.0),
    "msrvtt_retrieval": (5e-5, 16, 1, 20, 2, 2, 8, 448, 20, 1, 5.0),
    "msrvtt_mc": (5e-5, 16, 1, 20, 2, 2, 8, 448, 20, 1, 5.0),
    "didemo_retrieval": (5e-5, 8, 4, 20, 2, 2, 8, 448, 100, 1, 5.0),
    "anet_retrieval": (5e-5, 16, 2, 80, 2, 1, 4, 448, 100, 1, 5.0),
    "tgif_action": (5e-5, 16, 1, 15, 1, 1, 1, 768, 25, 1, 5.0),
    "tgif_transition": (5e-5, 16, 1, 15, 1, 1, 1, 768, 25, 1, 5.0),
    "tgif_frameqa": (5e-5, 16, 1, 15, 1, 1, 1, 768, 25, 1, 5.0),
    "pretrain_image_text": (5e-5, 32, 2, 40, 1, None, 1, 768, 30, 2, 5.0),
}


@pytest.mark.parametrize("name", list(ORIGINAL))
def test_values_of_the_original_preset(name: str) -> None:
    config = load_config(name)
    optim, train = config.optim, config.train
    assert optim.backbone.learning_rate == optim.transformer.learning_rate
    assert optim.backbone.weight_decay == optim.transformer.weight_decay == 1e-3
    assert (optim.algorithm, optim.betas, optim.warmup_ratio) == ("clipbert_adamw", (0.9, 0.98), 0.1)
    fps = ORIGINAL[name][5]
    assert ORIGINAL[name] == (
        optim.transformer.learning_rate,
        train.batch_size,
        train.accumulation_steps,
        train.num_epochs,
        config.num_frames_per_clip,
        fps and config.fps,
        train.num_clips,
        config.max_frame_size,
        config.data.max_text_tokens,
        config.data.texts_per_visual,
        optim.max_gradient_norm,
    )
    assert config.model.backbone.name == "clipbert"
    assert config.clip_aggregation == ("logsumexp" if train.num_clips > 1 else "mean")


def test_unknown_task() -> None:
    with pytest.raises(ConfigError, match="'chess' is not a valid task"):
        default_preset("chess")


def test_presets_of_an_installed_wheel_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "clipbug"
    (package / "config").mkdir(parents=True)
    monkeypatch.setattr(presets, "__file__", str(package / "config" / "presets.py"))
    assert presets_folder() == tmp_path / "site-packages" / "configs"
    (package / "configs").mkdir()
    assert presets_folder() == package / "configs"
