"""Trainings that are killed with SIGKILL end as if nothing had happened, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from clipbug.runtime.tensors import load_tensors
from tests.conftest import TINY_TEXTS
from tests.helpers.processes import worker_of_rank
from tests.helpers.trainers import lines_without_times

pytestmark = [pytest.mark.slow, pytest.mark.alone]

NUM_KILLS = 20
STEPS = 150
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("captions") / "train.jsonl"
    ids = ("even", "late", "uneven", "matroska", "still", "screen")
    rows = [
        {"video_id": media_id, "caption": f"{text} {row}"}
        for row, media_id in enumerate(ids)
        for text in TINY_TEXTS[row : row + 3]
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def command(captions: Path, store: Path, output: Path, *, steps: int = STEPS) -> list[str]:
    """Pre-training with random clips, masks, exchanged texts, dropout and micro-batches."""
    settings = {
        "max_frame_size": 32,
        "precision": "fp32",
        "train.batch_size": 2,
        "train.accumulation_steps": 2,
        "train.augment": "true",
        "train.num_clips": 2,
        "train.eval_every": 3,
        "train.save_every": 4,
        "train.log_every": 1,
    }
    return [
        *("pretrain", "--config", "tiny/pretraining", "--train", str(captions), "--val", str(captions)),
        *("--media", str(store), "--output", str(output), "--storage", str(output.parent)),
        *("--max-steps", str(steps), "-q"),
        *("--set", *(f"{name}={value}" for name, value in settings.items())),
    ]


def content(run: Path) -> dict[str, Any]:
    """Weights, optimizer and state at the end."""
    last = run / "checkpoints" / "last"
    training = torch.load(last / "training.pt", weights_only=True)["optimizer"]["state"]
    moments = {f"{i}.{name}": value for i, values in training.items() for name, value in values.items()}
    return {**load_tensors(last / "model.safetensors"), **moments}


def assert_same_runs(one: Path, other: Path) -> None:
    first, second = content(one), content(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert lines_without_times(one) == lines_without_times(other)
    states = [json.loads((run / "checkpoints/last/state.json").read_text()) for run in (one, other)]
    for state in states:
        state.pop("sha256")
    assert states[0] == states[1]
    assert sorted(path.name for path in (one / "checkpoints").iterdir()) == sorted(
        path.name for path in (other / "checkpoints").iterdir()
    )


def test_killed_twenty_times_is_never_stopped(captions: Path, synthetic_store: Path, tmp_path: Path) -> None:
    words = command(captions, synthetic_store, tmp_path / "killed")
    driver = [sys.executable, "-m", "tests.helpers.killing", str(NUM_KILLS), "1"]
    metrics = tmp_path / "killed" / "metrics.jsonl"
    done = subprocess.run(
        [*driver, str(metrics), "--", *words], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"ended by itself {done.returncode} times: {done.stderr[-3000:]}"
    reached = json.loads(metrics.read_text().splitlines()[-1])["step"]
    assert 0 < reached < STEPS
    for output in ("killed", "whole"):
        words = command(captions, synthetic_store, tmp_path / output)
        subprocess.run([sys.executable, "-m", "clipbug", *words], env=ENVIRONMENT, check=True)
    assert_same_runs(tmp_path / "killed", tmp_path / "whole")
    starts = json.loads((tmp_path / "killed" / "environment.json").read_text())["starts"]
    assert len(starts) > NUM_KILLS / 2  # some are killed before they write that they have started


def _torchrun(words: list[str], *, restarts: int) -> subprocess.Popen[str]:
    runner = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.Popen(
        [*runner, "--max-restarts", str(restarts), "-m", "clipbug", *words],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_torchrun_starts_again_after_one_process_is_killed(
    captions: Path, synthetic_store: Path, tmp_path: Path
) -> None:
    words = command(captions, synthetic_store, tmp_path / "killed", steps=60)
    killed = _torchrun(words, restarts=2)
    metrics = tmp_path / "killed" / "metrics.jsonl"
    while not metrics.exists() or len(metrics.read_text().splitlines()) < 12:
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.02)
    os.kill(worker_of_rank(killed.pid, 1), signal.SIGKILL)
    _, text = killed.communicate(timeout=300)
    assert killed.returncode == 0, text
    starts = json.loads((tmp_path / "killed" / "environment.json").read_text())["starts"]
    assert [start["world_size"] for start in starts] == [2, 2]
    whole = _torchrun(command(captions, synthetic_store, tmp_path / "whole", steps=60), restarts=0)
    _, text = whole.communicate(timeout=300)
    assert whole.returncode == 0, text
    assert "terminate called" not in text
    assert_same_runs(tmp_path / "killed", tmp_path / "whole")
