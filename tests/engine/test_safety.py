"""What may go wrong in a training, and what is left of it."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from clipbug.data.loading.batch import Batch
from clipbug.engine import checkpoint
from clipbug.engine.evaluator import Evaluator
from clipbug.engine.interruption import TerminatedError
from clipbug.errors import ClipbugError, OutOfMemoryError
from clipbug.runtime.tensors import load_tensors
from tests.helpers.fake_tasks import ALONE, FakeStream, make_batch
from tests.helpers.trainers import (
    FakeValidation,
    KilledError,
    StopAfter,
    assert_same,
    die,
    lines_without_times,
    make_trainer,
)


class _Infinite(FakeStream):
    """The stream with an infinite frame in one micro-batch."""

    def batches_from(self, position: int) -> Iterator[Batch]:
        for number, batch in enumerate(super().batches_from(position), start=position):
            if number == 13:
                batch.frames[1] = float("inf")
            yield batch


def test_a_step_that_is_not_finite_leaves_its_weights_and_media(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, stream=_Infinite())
    with pytest.raises(ClipbugError, match="step 7 is not finite") as caught:
        trainer.fit()
    dump = tmp_path / "failures" / "step-000007"
    assert str(dump) in caught.value.hint
    facts = json.loads((dump / "failure.json").read_text())
    assert (facts["step"], facts["position"]) == (6, 12)
    assert facts["media_ids"] == [f"media{i % 30}" for i in range(48, 56)]
    before = make_trainer(tmp_path / "other", max_steps=12, stream=StopAfter(13, die))
    with pytest.raises(KilledError):
        before.fit()
    tensors = load_tensors(dump / "model.safetensors")
    assert all(torch.equal(tensors[name], value) for name, value in before.task.model.state_dict().items())


def test_steps_that_are_not_finite_may_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = make_trainer(tmp_path, stream=_Infinite(), max_skipped_steps=1)
    trainer.fit()
    assert "skipped step 7" in caplog.text
    assert (trainer.state.step, trainer.state.position, trainer.state.skipped_steps) == (12, 24, 1)
    lines = [line for line in lines_without_times(tmp_path) if "train/loss" in line]
    assert [line["train/skipped_steps"] for line in lines] == [0, 0, 0, 0, 1, 1, 1]
    assert all(line["train/loss"] is not None for line in lines)
    assert all(torch.isfinite(value).all() for value in trainer.task.state_dict().values())


def test_the_budget_of_left_out_steps_survives_a_restart(tmp_path: Path) -> None:
    class Worse(_Infinite):
        def batches_from(self, position: int) -> Iterator[Batch]:
            for number, batch in enumerate(super().batches_from(position), start=position):
                if number == 20:
                    batch.frames[1] = float("nan")
                yield batch

    class Interrupted(Worse):
        def batches_from(self, position: int) -> Iterator[Batch]:
            for count, batch in enumerate(super().batches_from(position), start=position + 1):
                if count == 16:
                    signal.raise_signal(signal.SIGTERM)
                yield batch

    first = make_trainer(tmp_path, stream=Interrupted(), max_skipped_steps=1)
    with pytest.raises(TerminatedError):
        first.fit()
    with pytest.raises(ClipbugError, match="step 11 is not finite"):
        make_trainer(tmp_path, stream=Worse(), max_skipped_steps=1).fit()


class _StopInValidation(FakeValidation):
    """Sends a signal in the middle of the first pass."""

    def __iter__(self) -> Iterator[Batch]:
        for number, batch in enumerate(super().__iter__()):
            if number == 2:
                signal.raise_signal(signal.SIGTERM)
            yield batch


def test_signal_in_the_middle_of_a_validation_saves_and_resume_repeats_it(tmp_path: Path) -> None:
    whole = make_trainer(tmp_path / "whole", dropout=0.3)
    whole.fit()
    stopped = make_trainer(tmp_path / "stopped", dropout=0.3)
    stopped.evaluator = Evaluator(stopped.task, _StopInValidation(ALONE), precision="fp32", distributed=ALONE)
    stopped.enlarge = None  # else the signal comes in the dry run
    with pytest.raises(TerminatedError, match="stopped after step 4"):
        stopped.fit()
    assert stopped.checkpoints.steps() == [4]
    resumed = make_trainer(tmp_path / "stopped", dropout=0.3)
    resumed.fit()
    assert_same(resumed, whole)
    assert lines_without_times(tmp_path / "stopped") == lines_without_times(tmp_path / "whole")


def test_time_that_is_up_ends_like_a_signal(tmp_path: Path) -> None:
    slow = StopAfter(9, lambda: time.sleep(0.2))
    trainer = make_trainer(tmp_path, stream=slow, deadline=time.monotonic() + 0.2)
    with pytest.raises(TerminatedError, match=r"--stop-after.* is up: stopped after step") as caught:
        trainer.fit()
    assert caught.value.exit_code == 0
    assert trainer.checkpoints.steps()[-1] == trainer.state.step < 12


def test_lines_of_a_run_killed_before_its_first_checkpoint_are_not_doubled(tmp_path: Path) -> None:
    settings = {"eval_every": 12, "save_every": 12}
    with pytest.raises(KilledError):
        make_trainer(tmp_path / "killed", stream=StopAfter(13, die), **settings).fit()
    assert [line["step"] for line in lines_without_times(tmp_path / "killed")] == [2, 4, 6]
    make_trainer(tmp_path / "killed", **settings).fit()
    make_trainer(tmp_path / "whole", **settings).fit()
    assert lines_without_times(tmp_path / "killed") == lines_without_times(tmp_path / "whole")


def test_memory_that_does_not_do_is_met_before_the_first_step(tmp_path: Path) -> None:
    def too_large(batch: Batch) -> Batch:
        raise MemoryError

    trainer = make_trainer(tmp_path)
    trainer.enlarge = lambda batch: batch
    trainer.task.training_step = too_large  # type: ignore[method-assign, assignment]
    with pytest.raises(OutOfMemoryError):
        trainer.fit()
    assert trainer.state.step == 0
    assert not (tmp_path / "metrics.jsonl").exists()


def test_the_dry_run_takes_the_enlarged_batch_and_changes_nothing(tmp_path: Path) -> None:
    shapes = []

    def enlarge(batch: Batch) -> Batch:
        shapes.append(batch.frames.shape[0])
        return make_batch([0, 1, 2, 3, 5, 6, 7])

    with_run, without = (
        make_trainer(tmp_path / "1", enlarge=enlarge),
        make_trainer(tmp_path / "2", enlarge=None),
    )
    for trainer in (with_run, without):
        trainer.task.model.norm_of_frames = torch.nn.BatchNorm1d(48)
        trainer.task.model.visual.register_forward_pre_hook(
            lambda _, inputs, norm=trainer.task.model.norm_of_frames: (norm(inputs[0]),)
        )
        trainer.fit()
    assert shapes == [4]
    assert_same(with_run, without)  # the running statistics too


def test_saving_in_the_background_is_as_saving_at_once(tmp_path: Path) -> None:
    trainers = [make_trainer(tmp_path / name, dropout=0.3) for name in ("at once", "background")]
    trainers[1].checkpoints = checkpoint.CheckpointManager(
        tmp_path / "background" / "checkpoints", keep_last=2, in_background=True
    )
    for trainer in trainers:
        trainer.fit()
    assert_same(*trainers)
    assert trainers[0].checkpoints.steps() == trainers[1].checkpoints.steps()
    for step in trainers[0].checkpoints.steps():
        folders = [trainer.checkpoints.folder / f"step-{step:06d}" for trainer in trainers]
        at_once, later = map(_content, folders)
        assert at_once.keys() == later.keys()
        assert all(torch.equal(value, later[name]) for name, value in at_once.items())


def _content(folder: Path) -> dict[str, torch.Tensor]:
    """Weights, and moments of the optimizer."""
    training = torch.load(folder / "training.pt", weights_only=True)
    moments = {
        f"{index}.{name}": value
        for index, values in training["optimizer"]["state"].items()
        for name, value in values.items()
    }
    return {**load_tensors(folder / "model.safetensors"), **moments}


def test_a_save_in_the_background_that_fails_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(tmp_path)
    trainer.checkpoints = checkpoint.CheckpointManager(
        tmp_path / "checkpoints", keep_last=2, in_background=True
    )
    real = checkpoint.save_tensors
    calls: list[Path] = []

    def fail_later(path: Path, tensors: object) -> None:
        calls.append(path)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        real(path, tensors)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "save_tensors", fail_later)
    with pytest.raises(ClipbugError, match=r"cannot write .*No space left"):
        trainer.fit()
    assert trainer.checkpoints.latest() is not None
    assert len(trainer.checkpoints.steps()) == 2


def test_a_full_disk_is_met_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    trainer = make_trainer(tmp_path)
    with pytest.raises(ClipbugError, match="has 1e-07 GB of free space") as caught:
        trainer.fit()
    assert "train.keep_last" in caught.value.hint
    assert trainer.state.step == 0


def test_other_batch_size_goes_on_at_the_same_place_if_accepted(tmp_path: Path) -> None:
    make_trainer(tmp_path, max_steps=5).fit()
    stream = FakeStream(batch_size=2)
    resumed = make_trainer(tmp_path, max_steps=6, stream=stream, accept_changes=True)
    resumed.fit()
    assert stream.positions == [20]  # 10 micro-batches of 4 have been seen
