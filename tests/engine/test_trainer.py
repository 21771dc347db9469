import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from clipbug.data.loading.batch import Batch
from clipbug.engine.interruption import TerminatedError
from clipbug.engine.trainer import Trainer
from clipbug.errors import CheckpointError, ClipbugError
from tests.helpers.fake_tasks import FakeStream, make_batch
from tests.helpers.trainers import KilledError, StopAfter, assert_same, die, lines_without_times, make_trainer


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Path]:
    folder = tmp_path_factory.mktemp("unbroken")
    trainer = make_trainer(folder, dropout=0.3)
    trainer.fit()
    return trainer, folder


def test_learns_validates_and_saves_when_due(unbroken: tuple[Trainer, Path]) -> None:
    trainer, folder = unbroken
    assert (trainer.state.step, trainer.state.position) == (12, 24)
    lines = lines_without_times(folder)
    assert [line["step"] for line in lines if "valid/score" in line] == [4, 8, 12]
    training = [line for line in lines if "train/loss" in line]
    assert [line["step"] for line in training] == [2, 4, 5, 6, 8, 10, 12]
    assert training[-1]["train/loss"] < training[0]["train/loss"]
    assert {"train/loss_answer", "train/loss_size", "train/gradient_norm", "train/largest_logit"} <= set(
        training[0]
    )
    scores = {line["step"]: line["valid/score"] for line in lines if "valid/score" in line}
    assert trainer.state.best_score == max(scores.values())
    assert trainer.state.best_step == min(
        step for step, score in scores.items() if score == max(scores.values())
    )
    assert set(trainer.checkpoints.steps()) == {10, 12, trainer.state.best_step}
    assert trainer.checkpoints.latest() == folder / "checkpoints" / "step-000012"


def test_learning_rate_of_each_part_follows_the_schedule_from_step_1(unbroken: tuple[Trainer, Path]) -> None:
    rates = {
        line["step"]: line for line in lines_without_times(unbroken[1]) if "learning_rate/backbone" in line
    }
    assert rates[2]["learning_rate/backbone"] == 0.02
    assert rates[2]["learning_rate/transformer"] == 0.01
    assert rates[4]["learning_rate/transformer"] == pytest.approx(0.01 * 8 / 10)
    assert rates[12]["learning_rate/backbone"] == 1e-8  # as the original: never 0


@pytest.mark.parametrize("killed_in_step", [1, 5, 6, 9, 10, 11, 12])
@pytest.mark.parametrize("half_way", [False, True])
def test_resume_is_as_if_it_had_never_stopped(
    unbroken: tuple[Trainer, Path], tmp_path: Path, killed_in_step: int, half_way: bool
) -> None:
    micro_batch = 2 * killed_in_step - (0 if half_way else 1)
    killed = make_trainer(tmp_path, dropout=0.3, stream=StopAfter(micro_batch, die))
    with pytest.raises(KilledError):
        killed.fit()
    resumed = make_trainer(tmp_path, dropout=0.3)
    resumed.fit()
    assert_same(resumed, unbroken[0])
    assert lines_without_times(tmp_path) == lines_without_times(unbroken[1])
    assert resumed.checkpoints.steps() == unbroken[0].checkpoints.steps()


def test_resume_really_skips_the_done_work(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        make_trainer(tmp_path, stream=StopAfter(13, die)).fit()
    stream = FakeStream()
    make_trainer(tmp_path, stream=stream).fit()
    assert stream.positions == [10]  # of step 5


def test_damaged_newest_checkpoint_costs_time_only(
    unbroken: tuple[Trainer, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KilledError):
        make_trainer(tmp_path, dropout=0.3, stream=StopAfter(22, die)).fit()
    (tmp_path / "checkpoints" / "step-000010" / "training.pt").write_bytes(b"")
    resumed = make_trainer(tmp_path, dropout=0.3)
    with caplog.at_level(logging.WARNING):
        resumed.fit()
    assert "step-000010 is damaged" in caplog.text
    assert_same(resumed, unbroken[0])
    assert lines_without_times(tmp_path) == lines_without_times(unbroken[1])


def test_finished_training_is_left_alone(unbroken: tuple[Trainer, Path]) -> None:
    before = lines_without_times(unbroken[1])
    again = make_trainer(unbroken[1], dropout=0.3)
    assert again.fit() == unbroken[0].state
    assert lines_without_times(unbroken[1]) == before


def test_validation_does_not_change_training(tmp_path: Path) -> None:
    often = make_trainer(tmp_path / "often", dropout=0.3, eval_every=1)
    never = make_trainer(tmp_path / "never", dropout=0.3, evaluator=None)
    often.fit()
    never.fit()
    weights = never.task.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in often.task.state_dict().items())
    assert never.state.best_step is None
    assert not (tmp_path / "never" / "checkpoints" / "best").exists()


def test_seed_decides_dropout(tmp_path: Path) -> None:
    trainers = [make_trainer(tmp_path / str(i), dropout=0.3, seed=seed) for i, seed in enumerate((3, 3, 4))]
    for trainer in trainers:
        trainer.fit()
    assert_same(trainers[0], trainers[1])
    with pytest.raises(AssertionError):
        assert_same(trainers[0], trainers[2])


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)]
)
def test_signal_saves_the_finished_steps_and_stops(
    unbroken: tuple[Trainer, Path], tmp_path: Path, number: signal.Signals, error: type[BaseException]
) -> None:
    before = signal.getsignal(number)
    stopped = make_trainer(tmp_path, dropout=0.3, stream=StopAfter(14, lambda: signal.raise_signal(number)))
    with pytest.raises(error) as caught:
        stopped.fit()
    assert stopped.checkpoints.steps()[-1] == 6  # between 5 and 10: saved because of the signal
    assert signal.getsignal(number) == before
    if isinstance(caught.value, TerminatedError):
        assert "SIGTERM: stopped after step 6" in caught.value.message
        assert caught.value.exit_code == 0
    resumed = make_trainer(tmp_path, dropout=0.3)
    resumed.fit()
    assert_same(resumed, unbroken[0])
    assert lines_without_times(tmp_path) == lines_without_times(unbroken[1])


def test_signal_before_the_first_step_saves_nothing(tmp_path: Path) -> None:
    stream = StopAfter(1, lambda: signal.raise_signal(signal.SIGINT))
    trainer = make_trainer(tmp_path, stream=stream)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    assert trainer.checkpoints.steps() == []


def test_loader_thatdies_of_the_signal_does_not_hide_it(tmp_path: Path) -> None:
    def stop() -> None:
        signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("DataLoader worker is killed by signal")

    trainer = make_trainer(tmp_path, stream=StopAfter(7, stop))
    with pytest.raises(TerminatedError):
        trainer.fit()
    assert trainer.checkpoints.steps()[-1] == 3


def test_loader_thatdies_by_itself_is_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("worker gone")

    with pytest.raises(RuntimeError, match="worker gone"):
        make_trainer(tmp_path, stream=StopAfter(7, fail)).fit()


def test_trains_in_a_thread_where_no_handler_can_be_set(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    thread = threading.Thread(target=trainer.fit)
    thread.start()
    thread.join()
    assert trainer.state.step == 12


def test_not_finite_loss_names_step_and_recordings_and_keeps_checkpoints(tmp_path: Path) -> None:
    class Stream(FakeStream):
        def batches_from(self, position: int) -> Iterator[Batch]:
            for count, batch in enumerate(super().batches_from(position)):
                if count == 13:
                    batch = make_batch([0, 1])
                    batch.frames[1] = float("inf")
                yield batch

    trainer = make_trainer(tmp_path, stream=Stream())
    with pytest.raises(ClipbugError, match=r"step 7 is not finite.*media0, media1"):
        trainer.fit()
    assert trainer.checkpoints.steps()[-1] == 5


def test_other_number_of_processes_is_refused(tmp_path: Path) -> None:
    first = make_trainer(tmp_path, max_steps=5)
    first.fit()
    state = tmp_path / "checkpoints" / "step-000005" / "state.json"
    state.write_text(state.read_text().replace('"world_size": 1', '"world_size": 4'))
    with pytest.raises(CheckpointError, match="written by 4 processes, but now there are 1") as caught:
        make_trainer(tmp_path).fit()
    assert "--nproc-per-node 4" in caught.value.hint


@pytest.mark.parametrize("name", ["max_steps", "accumulation_steps", "eval_every", "save_every", "log_every"])
def test_intervals_are_at_least_1(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        make_trainer(tmp_path, **{name: 0})
