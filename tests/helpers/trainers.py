"""Trainers over the fake task, for the tests of one process and of several."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from clipbug.config.train import GroupConfig, OptimConfig
from clipbug.data.loading.batch import Batch
from clipbug.engine.checkpoint import CheckpointManager
from clipbug.engine.evaluator import Evaluator
from clipbug.engine.optim import build_optimizer
from clipbug.engine.tracking import Tracker
from clipbug.engine.trainer import Trainer
from clipbug.runtime.distributed import Distributed
from tests.helpers.fake_tasks import ALONE, FakeStream, FakeTask, make_batch

_OPTIM = OptimConfig(
    backbone=GroupConfig(learning_rate=0.02), transformer=GroupConfig(learning_rate=0.01), warmup_ratio=0.0
)
_TIMES = ("seconds", "train/samples_per_second", "train/data_wait_share")


class FakeValidation:
    """Ids 100 to 116 in batches of three, shared among processes without repeats."""

    def __init__(self, processes: Distributed) -> None:
        self._processes = processes

    def __iter__(self) -> Iterator[Batch]:
        torch.rand(5)  # a loader that starts draws from the global generator
        for start in range(100 + 3 * self._processes.rank, 117, 3 * self._processes.world_size):
            yield make_batch(range(start, min(start + 3, 117)))


def make_trainer(
    folder: Path, *, processes: Distributed = ALONE, dropout: float = 0.0, stream: Any = None, **settings: Any
) -> Trainer:
    """A trainer of 12 steps that validates every 4 and saves every 5."""
    task = FakeTask(dropout=dropout)
    defaults = {
        "evaluator": Evaluator(task, FakeValidation(processes), precision="fp32", distributed=processes),
        "seed": 3,
        "schedule": "linear",
        "warmup_steps": 2,
        "max_steps": 12,
        "accumulation_steps": 2,
        "eval_every": 4,
        "save_every": 5,
        "log_every": 2,
        "max_gradient_norm": 1.0,
        "enlarge": lambda batch: batch,
    }
    return Trainer(
        task=task,
        optimizer=build_optimizer(task, _OPTIM),
        train_batches=stream or FakeStream(rank=processes.rank, world_size=processes.world_size),
        checkpoints=CheckpointManager(folder / "checkpoints", keep_last=2),
        failures=folder / "failures",
        tracker=Tracker(folder) if processes.is_main else None,
        distributed=processes,
        precision="fp32",
        **{**defaults, **settings},
    )


def lines_without_times(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what a clock decides."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in _TIMES} for line in lines]


def all_tensors(trainer: Trainer) -> dict[str, torch.Tensor]:
    moments = {
        f"{index}.{name}": value
        for index, values in trainer.optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    return {**trainer.task.state_dict(), **moments}


def assert_same(first: Trainer, second: Trainer) -> None:
    one, two = all_tensors(first), all_tensors(second)
    assert one.keys() == two.keys()
    different = [name for name in one if not torch.equal(one[name], two[name])]
    assert not different
    assert first.state == second.state


class StopAfter(FakeStream):
    """Acts when so many micro-batches have been taken."""

    def __init__(self, number: int, action: Callable[[], None]) -> None:
        super().__init__()
        self._number = number
        self._action = action

    def batches_from(self, position: int) -> Iterator[Batch]:
        for count, batch in enumerate(super().batches_from(position), start=position + 1):
            if count == self._number:
                self._action()
            yield batch


class KilledError(Exception):
    """Stands for kill -9: nothing is saved on the way out."""


def die() -> None:
    raise KilledError
