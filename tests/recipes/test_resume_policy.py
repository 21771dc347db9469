"""When a run goes on, when it refuses to, and what it tells of itself."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from clipbug.config import RunConfig
from clipbug.config.loading import load_config
from clipbug.engine.tracking import Tracker
from clipbug.errors import CheckpointError, ClipbugError, DecodeError
from clipbug.recipes.dry_run import plan_run
from clipbug.recipes.ingest import ingest
from clipbug.recipes.train import train
from tests.helpers.trainers import lines_without_times
from tests.helpers.video_factory import make_video

IDS = ("even", "late", "uneven", "matroska")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    _write(file, "what is tapped first?")
    return file


def _write(file: Path, question: str) -> None:
    rows = [{"video_id": media_id, "question": question, "answer": media_id} for media_id in IDS]
    file.write_text("\n".join(map(json.dumps, rows)))


def _config(rows: Path, store: Path, **settings: Any) -> RunConfig:
    values = {
        "max_frame_size": 32,
        "precision": "fp32",
        "train.max_steps": 4,
        "train.eval_every": 2,
        "train.batch_size": 2,
        "train.log_every": 1,
        **settings,
    }
    flags = {"data.train": [str(rows)], "data.val": [str(rows)], "data.media": [str(store)]}
    overrides = [f"{name}={value}" for name, value in values.items()]
    return load_config("tiny/video_qa", overrides=overrides, flags=flags, task=None)


def _starts(folder: Path) -> list[dict[str, Any]]:
    starts: list[dict[str, Any]] = json.loads((folder / "environment.json").read_text())["starts"]
    return starts


def _interrupt(folder: Path) -> None:
    """As if the run had not come to its end."""
    (folder / "summary.json").unlink()


def test_a_run_folder_tells_all(rows: Path, synthetic_store: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    (tmp_path / ".run.12ab34cd.tmp").mkdir()  # of an attempt that was killed
    train(_config(rows, synthetic_store), storage=tmp_path, output=output)
    (start,) = _starts(output)
    assert start["versions"]["torch"]
    assert start["machine"]["cpus"]
    assert start["command"]
    assert start["world_size"] == 1
    data = json.loads((output / "data.json").read_text())
    assert list(data["files"]) == [str(rows)]
    assert set(data["media"]) == set(IDS)
    assert not list(tmp_path.glob(".run*"))


def test_other_data_is_refused_with_the_difference_and_accepted_by_flag(
    rows: Path, synthetic_store: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    config = _config(rows, synthetic_store)
    train(config, storage=tmp_path, output=output)
    _interrupt(output)
    _write(rows, "which screen is this?")
    with pytest.raises(CheckpointError, match=rf"file {rows}: changed") as caught:
        train(config, storage=tmp_path, output=output)
    assert "--accept-changes" in caught.value.hint
    train(config, storage=tmp_path, output=output, accept_changes=True)
    assert _starts(output)[-1]["changes"] == [f"file {rows}: changed"]
    _interrupt(output)
    train(config, storage=tmp_path, output=output)  # what has been accepted holds from now on


def test_other_settings_are_refused_and_accepted_by_flag(
    rows: Path, synthetic_store: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    train(_config(rows, synthetic_store), storage=tmp_path, output=output)
    longer = _config(rows, synthetic_store, **{"train.max_steps": 6})
    with pytest.raises(CheckpointError, match=r"train\.max_steps: 4 -> 6"):
        train(longer, storage=tmp_path, output=output)
    report = train(longer, storage=tmp_path, output=output, accept_changes=True)
    assert report.steps == 6
    assert [line["step"] for line in lines_without_times(output) if "train/loss" in line] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]


def test_settings_without_effect_may_change(rows: Path, synthetic_store: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    train(_config(rows, synthetic_store), storage=tmp_path, output=output)
    _interrupt(output)
    changed = {"data.num_workers": 1, "train.keep_last": 5, "train.background_saves": "true"}
    train(_config(rows, synthetic_store, **changed), storage=tmp_path, output=output)
    assert "num_workers: 1" in (output / "config.yaml").read_text()


def test_starting_weights_must_stay(rows: Path, synthetic_store: Path, tmp_path: Path) -> None:
    first = train(_config(rows, synthetic_store), storage=tmp_path, output=tmp_path / "first")
    config = _config(rows, synthetic_store)
    train(config, storage=tmp_path, output=tmp_path / "second", init=Path(first.run))
    _interrupt(tmp_path / "second")
    with pytest.raises(CheckpointError, match=r"--init: .* -> None"):
        train(config, storage=tmp_path, output=tmp_path / "second")


def test_a_folder_that_cannot_be_made_is_an_error_at_once(
    rows: Path, synthetic_store: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClipbugError, match="cannot write"):
        train(_config(rows, synthetic_store), storage=tmp_path, output=tmp_path / "file" / "run")


def test_dry_runs_are_equal(rows: Path, synthetic_store: Path, tmp_path: Path) -> None:
    plans = [plan_run(_config(rows, synthetic_store), storage=tmp_path) for _ in range(2)]
    assert plans[0].loss == plans[1].loss


@pytest.mark.parametrize("num_rows", [1, 3])
def test_tiny_data_trains(rows: Path, synthetic_store: Path, tmp_path: Path, num_rows: int) -> None:
    rows.write_text("\n".join(rows.read_text().splitlines()[:num_rows]))
    settings = {"train.batch_size": 8, "train.accumulation_steps": 3, "train.num_epochs": 1}
    config = _config(
        rows, synthetic_store, **{"train.max_steps": "null", "train.eval_every": "null", **settings}
    )
    report = train(config, storage=tmp_path, output=tmp_path / "run")
    assert report.steps == 1


def test_validation_answers_are_shown(
    rows: Path, synthetic_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, list[tuple[str, str, tuple[int, ...]]]]] = []

    def show(_: Tracker, step: int, examples: Any) -> None:
        shown.append(
            (step, [(one.record.media_id, one.expected(), tuple(one.picture.shape)) for one in examples])
        )

    monkeypatch.setattr(Tracker, "show", show)
    config = _config(rows, synthetic_store, **{"train.num_examples": 1})
    train(config, storage=tmp_path, output=tmp_path / "run")
    assert [step for step, _ in shown] == [2, 4]
    for _, examples in shown:
        ((media_id, expected, shape),) = examples
        assert media_id == expected  # the right answer to every question here
        assert shape == (3, 16, 4 * 32 + 3 * 4)  # 2 clips of 2 frames, 12 x 32 in cells of 8, with gaps


def test_missing_tracker_says_how_to_install_it(rows: Path, synthetic_store: Path, tmp_path: Path) -> None:
    logging.getLogger("clipbug").setLevel(logging.WARNING)
    config = _config(rows, synthetic_store, **{"train.trackers": "[mlflow]"})
    with pytest.raises(ClipbugError, match="mlflow") as caught:
        train(config, storage=tmp_path, output=tmp_path / "run")
    assert 'pip install "clipbug[mlflow]"' in caught.value.hint


def test_a_budget_lets_a_whole_training_go_on_without_bad_recordings(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for number, media_id in enumerate(IDS):
        make_video(tmp_path / "videos" / f"{media_id}.mp4", num_frames=30 + number)
    damaged = tmp_path / "videos" / "late.mp4"
    content = damaged.read_bytes()
    start, end = content.index(b"mdat") + 4, content.rindex(b"moov") - 4
    damaged.write_bytes(content[:start] + bytes(byte ^ 0xA5 for byte in content[start:end]) + content[end:])
    store = tmp_path / "store"
    report = ingest([tmp_path / "videos"], extensions=["mp4"], file_type="video", store=store, raw=True)
    assert not report.bad  # a raw ingest only copies

    with pytest.raises(DecodeError, match="late") as caught:
        train(_config(rows, store), storage=tmp_path, output=tmp_path / "strict")
    assert "max_bad_items" in caught.value.hint

    config = _config(rows, store, **{"data.max_bad_items": 1, "train.max_steps": 6})
    found = train(config, storage=tmp_path, output=tmp_path / "run")
    assert [item["media_id"] for item in found.bad_items] == ["late"]
    assert found.steps == 6
    assert found.score is not None
    assert found.score <= 0.75  # its question has no answer, and counts as wrong
