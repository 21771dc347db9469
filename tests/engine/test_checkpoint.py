import errno
import json
import logging
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from clipbug.config.train import OptimConfig
from clipbug.engine import checkpoint
from clipbug.engine.checkpoint import CheckpointManager, TrainState, checkpoint_steps
from clipbug.engine.optim import build_optimizer
from clipbug.engine.step import OptimizerStep
from clipbug.errors import CheckpointError, ClipbugError
from clipbug.runtime.tensors import load_tensors
from tests.helpers.fake_tasks import ALONE, FakeTask, make_batch


@dataclass
class _Run:
    """A task with an optimizer that has moments, and what saves it."""

    manager: CheckpointManager
    seed: int = 0
    task: FakeTask = field(init=False)

    def __post_init__(self) -> None:
        self.task = FakeTask(seed=self.seed)
        self.optimizer = build_optimizer(self.task, OptimConfig())
        self.update = OptimizerStep(
            self.task, self.optimizer, precision="fp32", max_gradient_norm=None, processes=ALONE
        )

    def train_and_save(self, step: int, *, best_step: int | None = None) -> Path:
        self.update.run([make_batch([step, step + 1, step + 2])], {"answer": 3, "size": 1})
        state = TrainState(step=step, position=2 * step, best_score=0.5, best_step=best_step)
        return self.manager.save(self.task, self.optimizer, self.update.scaler, state, {"score": 0.25})

    def load(self, path: Path) -> TrainState:
        return self.manager.load(path, self.task, self.optimizer, self.update.scaler)


@pytest.fixture
def run(tmp_path: Path) -> _Run:
    return _Run(CheckpointManager(tmp_path / "checkpoints", keep_last=2))


def _names(run: _Run) -> list[str]:
    return sorted(path.name for path in run.manager.folder.iterdir())


def test_all_comes_back_bit_for_bit(run: _Run) -> None:
    path = run.train_and_save(3, best_step=3)
    other = _Run(run.manager, seed=1)
    state = other.load(path)
    assert state == TrainState(step=3, position=6, best_score=0.5, best_step=3, world_size=1)
    for name, value in run.task.state_dict().items():
        assert torch.equal(other.task.state_dict()[name], value), name
    saved, loaded = run.optimizer.state_dict(), other.optimizer.state_dict()
    assert loaded["param_groups"] == saved["param_groups"]
    for index, moments in saved["state"].items():
        assert all(torch.equal(loaded["state"][index][name], value) for name, value in moments.items())
        assert loaded["state"][index]["exp_avg_sq"].abs().sum() > 0


def test_tied_weights_are_stored_once_and_stay_tied(run: _Run) -> None:
    path = run.train_and_save(1)
    tensors = load_tensors(path / "model.safetensors")
    assert tensors["head.weight"] is tensors["head_again.weight"]
    assert not any(name.startswith("model.") for name in tensors)
    run.load(path)
    assert run.task.model.head.weight is run.task.model.head_again.weight


def test_folder_has_state_scores_and_links(run: _Run) -> None:
    run.train_and_save(5, best_step=5)
    run.train_and_save(10, best_step=5)
    assert _names(run) == ["best", "last", "step-000005", "step-000010"]
    folder = run.manager.folder
    assert (folder / "last").readlink() == Path("step-000010")
    assert (folder / "best").readlink() == Path("step-000005")
    content = json.loads((folder / "last" / "state.json").read_text())
    assert content["step"] == 10
    assert content["scores"] == {"score": 0.25}


def test_newest_and_best_are_kept(run: _Run) -> None:
    for step in range(1, 7):
        run.train_and_save(step, best_step=2 if step >= 2 else 1)
    assert run.manager.steps() == [2, 5, 6]
    run.train_and_save(7, best_step=7)
    assert run.manager.steps() == [6, 7]
    assert (run.manager.folder / "best").readlink() == Path("step-000007")


def test_nothing_saved_yet(run: _Run) -> None:
    assert run.manager.steps() == []
    assert checkpoint_steps(run.manager.folder) == []
    assert run.manager.latest() is None


def _flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("damage", [_flip_a_byte, _cut, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "training.pt", "state.json"])
def test_damaged_newest_falls_back_with_a_warning(
    run: _Run, caplog: pytest.LogCaptureFixture, name: str, damage: Callable[[Path], None]
) -> None:
    older, newest = run.train_and_save(1), run.train_and_save(2)
    assert run.manager.latest() == newest
    if (name, damage) == ("state.json", _flip_a_byte):
        (newest / name).write_text("{}")  # a flipped bit may leave valid JSON
    else:
        damage(newest / name)
    with caplog.at_level(logging.WARNING):
        assert run.manager.latest() == older
    assert str(newest) in caplog.text
    assert name in caplog.text
    with pytest.raises(CheckpointError, match="step-000002 is damaged"):
        run.load(newest)


def test_weights_that_are_not_finite_are_refused(run: _Run) -> None:
    with torch.no_grad():
        next(run.task.model.parameters()).view(-1)[0] = float("nan")  # the training diverged, and was saved
    name = next(name for name, _ in run.task.model.named_parameters())
    with pytest.raises(CheckpointError, match=f"{name}: 1 values are NaN"):
        run.load(run.train_and_save(1))


def test_all_damaged_is_an_error_that_names_them(run: _Run) -> None:
    for step in (1, 2):
        _cut(run.train_and_save(step) / "training.pt")
    with pytest.raises(CheckpointError, match=r"step-000002: training\.pt.*step-000001"):
        run.manager.latest()


def test_damaged_newer_one_survives_until_it_is_replaced(run: _Run) -> None:
    for step in (1, 2, 3):
        run.train_and_save(step)
    _cut(run.manager.folder / "step-000003" / "training.pt")
    latest = run.manager.latest()
    assert latest is not None
    run.load(latest)
    run.manager._keep_last = 1
    run.train_and_save(2)  # what was gone back to must not fall to the damaged one
    assert run.manager.steps() == [2, 3]
    run.train_and_save(3)
    assert run.manager.steps() == [3]
    assert run.manager.latest() == run.manager.folder / "step-000003"


def test_missing_checkpoint_lists_what_exists(run: _Run) -> None:
    run.train_and_save(4)
    with pytest.raises(CheckpointError, match="step-000009") as caught:
        run.load(run.manager.folder / "step-000009")
    assert "4" in caught.value.hint


def test_other_model_is_refused(run: _Run) -> None:
    path = run.train_and_save(1)
    run.task.model.head = torch.nn.Linear(8, 7)
    with pytest.raises(CheckpointError, match=r"head\.weight"):
        run.load(path)


def test_code_in_a_file_does_not_run(run: _Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run.train_and_save(1)

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "owned"),))

    torch.save({"optimizer": Evil(), "scaler": {}}, path / "training.pt")
    monkeypatch.setattr(checkpoint, "_damage", lambda _: None)
    with pytest.raises(pickle.UnpicklingError):
        run.load(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("when", ["weights", "optimizer", "rename"])
def test_full_disk_names_the_checkpoint_and_keeps_the_older_one(
    run: _Run, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    older = run.train_and_save(1, best_step=1)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = {
        "weights": (checkpoint, "save_tensors"),
        "optimizer": (torch, "save"),
        "rename": (Path, "rename"),
    }[when]
    monkeypatch.setattr(*target, fail)
    with pytest.raises(ClipbugError, match=r"step-000002.*No space left on device"):
        run.train_and_save(2, best_step=2)
    monkeypatch.undo()
    assert run.manager.steps() == [1]
    assert run.manager.latest() == older
    assert _names(run) == ["best", "last", "step-000001"]
    assert (run.manager.folder / "best").readlink() == Path("step-000001")


def test_really_full_disk(run: _Run) -> None:
    """Writes fail as on a full disk: the kernel refuses to let files grow beyond a limit."""
    resource = pytest.importorskip("resource")
    older = run.train_and_save(1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (100, (older / "model.safetensors").stat().st_size + 100):  # in the weights; in the optimizer
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with pytest.raises(ClipbugError, match="step-000002"):
                run.train_and_save(2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert run.manager.steps() == [1]
        assert run.manager.latest() == older


def test_leftovers_of_a_killed_save_are_removed_by_the_next(run: _Run) -> None:
    run.train_and_save(1)
    leftover = run.manager.folder / ".step-000002.00000000.tmp"
    leftover.mkdir()
    assert run.manager.steps() == [1]
    run.train_and_save(2)
    assert not leftover.exists()
