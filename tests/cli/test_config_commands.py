"""`clipbug config`: presets listed, shown and checked."""

import json
from pathlib import Path

import pytest

from tests.helpers.fake_recipes import FakeRecipes, exit_code_of


def test_config_list(recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of("config", "list", "--json") == 0
    presets = json.loads(capsys.readouterr().out)["presets"]
    assert {"preset": "gui_vqa", "command": "clipbug finetune --task vqa --config gui_vqa"} in presets
    assert exit_code_of("config", "list") == 0
    assert "tiny/video_qa" in capsys.readouterr().out


def test_config_validate_names_all_that_is_wrong(
    recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.yaml").write_text("task: {name: vqa}\nsede: 1\n", encoding="utf-8")
    Path("b.yaml").write_text("task: {name: vqa}\nfps: 0\n", encoding="utf-8")
    assert exit_code_of("config", "validate", "a.yaml", "gui_vqa", "b.yaml") == 1
    shown = capsys.readouterr().err
    assert "did you mean seed?  (a.yaml:2)" in shown
    assert "fps = 0: must be greater than 0  (b.yaml:2)" in shown
    assert exit_code_of("config", "validate", "gui_vqa", "tiny/vqa") == 0
    assert "gui_vqa: valid, task vqa" in capsys.readouterr().out
