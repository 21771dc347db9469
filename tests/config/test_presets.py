"""The configs that travel with clipbug: all load, are short, and name the command that runs them."""

import shlex
from pathlib import Path

import pytest

from clipbug.config import presets
from clipbug.config.loading import load_config
from clipbug.config.presets import default_preset, preset_command, preset_names, presets_folder
from clipbug.config.schema import tags_at
from clipbug.errors import ConfigError
from tests.cli.fakes import FakeRecipes, exit_code_of

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


def test_unknown_task() -> None:
    with pytest.raises(ConfigError, match="no task is called 'chess'"):
        default_preset("chess")


def test_presets_of_an_installed_wheel_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "clipbug"
    (package / "config").mkdir(parents=True)
    monkeypatch.setattr(presets, "__file__", str(package / "config" / "presets.py"))
    assert presets_folder() == tmp_path / "site-packages" / "configs"
    (package / "configs").mkdir()
    assert presets_folder() == package / "configs"
