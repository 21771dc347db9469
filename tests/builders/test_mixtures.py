"""Pre-training on several data sets, through the command line."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from clipbug.builders.mixtures import read_mixture
from clipbug.cli.main import main
from clipbug.config.loading import load_config
from clipbug.config.presets import preset_path
from clipbug.errors import ConfigError
from clipbug.workspace.storage import Storage
from tests.helpers.video_factory import draw_index


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([*words, "--json"])
    return int(end.value.code or 0), json.loads(capsys.readouterr().out)


def captions(path: Path, *names: str) -> str:
    rows = [{"id": name, "caption": f"the screen called {name}"} for name in names]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.fixture
def screens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A store of images, one of which has the id of a recording in the other store."""
    (tmp_path / "pictures").mkdir()
    for number, name in enumerate(("even", "list", "menu")):
        assert cv2.imwrite(str(tmp_path / "pictures" / f"{name}.png"), draw_index(number))
    code, _ = run(capsys, "ingest", str(tmp_path / "pictures"), "--out", str(tmp_path / "screens"))
    assert code == 0
    return str(tmp_path / "screens")


@pytest.fixture
def config_file(tmp_path: Path, screens: str, synthetic_store: Path) -> Path:
    values = yaml.safe_load(preset_path("tiny/pretraining").read_text())
    recordings = str(synthetic_store)
    values["data"] = {
        "train_datasets": [
            {
                "id": "screens",
                "files": [captions(tmp_path / "screens.jsonl", "even", "list", "menu")],
                "media": [screens],
                "ratio": 2,
            },
            {
                "id": "recordings",
                "files": [captions(tmp_path / "recordings.jsonl", "even", "late", "matroska")],
                "media": [recordings],
                "batch_size": 1,
            },
        ],
        "val_datasets": [
            {
                "id": "recordings",
                "files": [captions(tmp_path / "val.jsonl", "even", "still")],
                "media": [recordings],
            }
        ],
    }
    path = tmp_path / "mixture.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_two_data_sets_with_ids_in_common(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("pretrain", "--config", str(config_file), "--storage", str(tmp_path / "storage"))
    code, plan = run(capsys, *words, "--dry-run")
    assert code == 0, plan
    assert (plan["training_rows"], plan["validation_rows"], plan["visuals"]) == (6, 2, 6)
    assert plan["groups"] == 3 + 3 * 4  # three recordings alone are as many micro-batches as three times four
    code, report = run(capsys, *words, "--max-steps", "3")
    assert code == 0, report
    assert (report["steps"], report["training_rows"], report["validation_rows"]) == (3, 6, 2)
    assert report["score"] is not None
    stored = json.loads((Path(report["run"]) / "data.json").read_text())
    assert {"screens/even", "recordings/even", "recordings/still"} <= stored["media"].keys()
    assert len(stored["files"]) == 3
    assert stored["media"]["screens/even"] != stored["media"]["recordings/even"]


def test_other_tasks_and_one_name_for_two_things_are_refused(config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file)
    storage = Storage(tmp_path / "storage")
    other = load_config("tiny/video_qa").model_copy(update={"data": config.data})
    with pytest.raises(ConfigError, match="for pre-training, not for task video_qa"):
        read_mixture(other, storage)
    moved = config.data.val_datasets[0].model_copy(update={"media": config.data.train_datasets[0].media})
    data = config.data.model_copy(update={"val_datasets": (moved,)})
    with pytest.raises(ConfigError, match="recordings has other media"):
        read_mixture(config.model_copy(update={"data": data}), storage)


SET = "{id: a, files: [x.jsonl]}"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ((f"data.train_datasets=[{SET}, {SET}]",), "must have distinct ids"),
        (("data.train=[y.jsonl]", f"data.train_datasets=[{SET}]"), "train or train_datasets, not both"),
        ((f"data.val_datasets=[{SET}]",), "val_datasets require train_datasets"),
        (("data.train_datasets=[{id: a/b, files: [x]}]",), "id"),
        (("data.train_datasets=[{id: a, files: []}]",), "at least 1 items"),
        (("data.train_datasets=[{id: a, files: [x], ratio: 0}]",), "greater than 0"),
    ],
)
def test_contradictions_in_a_config_are_named(settings: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_config("tiny/pretraining", overrides=settings)


def test_a_resumed_mixture_ends_as_one_that_was_never_stopped(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a CPU in float32 the weights are equal bit for bit."""
    settings = ("--set", "train.save_every=2", "train.keep_last=9", "precision=fp32", "train.eval_every=2")
    words = ("pretrain", "--config", str(config_file), "--max-steps", "5", *settings)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    code, report = run(capsys, *words, "--output", str(whole))
    assert code == 0, report
    shutil.copytree(whole, stopped, symlinks=True)
    (stopped / "summary.json").unlink()
    for step in (4, 5):
        shutil.rmtree(stopped / "checkpoints" / f"step-{step:06d}")
    for link in ("best", "last"):
        (stopped / "checkpoints" / link).unlink()
        (stopped / "checkpoints" / link).symlink_to("step-000002")
    code, report = run(capsys, *words, "--output", str(stopped), "--resume", "required")
    assert code == 0, report
    one, other = (
        load_file(folder / "checkpoints" / "step-000005" / "model.safetensors") for folder in (whole, stopped)
    )
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
