"""Training data as the trainer takes it: several micro-batches per step."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from clipbug.data.loading.batch import Batch
from clipbug.engine.interruption import StopSignals
from clipbug.tasks.base import Task


class TrainingStream(Protocol):
    """Micro-batches of one process.

    Attributes:
        batch_size: visuals in each.
    """

    batch_size: int

    def batches_from(self, position: int) -> Iterator[Batch]:
        """The endless stream without its first `position` micro-batches."""
        ...


def take(stream: Iterator[Batch], number: int, signals: StopSignals) -> list[Batch]:
    """The next micro-batches; none if the loader's workers died of the signal that stops the training."""
    batches = list(until_stopped(itertools.islice(stream, number), signals))
    return batches if len(batches) == number else []


def until_stopped(batches: Iterable[Batch], signals: StopSignals) -> Iterator[Batch]:
    """The batches; they end early if the loader's workers die of the signal that stops the training."""
    try:
        yield from batches
    except RuntimeError:
        if signals.received is None:
            raise


def count_targets(task: Task, batches: Sequence[Batch]) -> dict[str, int]:
    """Targets of each loss in all of the batches."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update(task.count_targets(batch))
    return counts
