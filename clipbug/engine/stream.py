"""Stream of training micro-batches, several of which make a step."""

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
        batch_size: Media items in each micro-batch.
    """

    batch_size: int

    def batches_from(self, position: int) -> Iterator[Batch]:
        """Return the endless stream without its first `position` micro-batches."""
        ...


def take(stream: Iterator[Batch], number: int, signals: StopSignals) -> list[Batch]:
    """Return the next micro-batches; empty if a stop signal has killed the loader's workers."""
    batches = list(until_stopped(itertools.islice(stream, number), signals))
    return batches if len(batches) == number else []


def until_stopped(batches: Iterable[Batch], signals: StopSignals) -> Iterator[Batch]:
    """Yield the batches; end early if a stop signal has killed the loader's workers."""
    try:
        yield from batches
    except RuntimeError:
        if signals.received is None:
            raise


def count_targets(task: Task, batches: Sequence[Batch]) -> dict[str, int]:
    """Count the targets of each loss over all batches."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update(task.count_targets(batch))
    return counts
