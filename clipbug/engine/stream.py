"""Training data as the trainer takes it: several micro-batches per step."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from clipbug.data.batch import Batch
from clipbug.engine.interruption import StopSignals
from clipbug.tasks.base import Task


class TrainingStream(Protocol):
    """Micro-batches of one process."""

    def batches_from(self, position: int) -> Iterator[Batch]:
        """The endless stream without its first `position` micro-batches."""
        ...


def take(stream: Iterator[Batch], number: int, signals: StopSignals) -> list[Batch]:
    """The next micro-batches; none if the loader's workers died of the signal that stops the training."""
    try:
        return list(itertools.islice(stream, number))
    except RuntimeError:
        if signals.received is None:
            raise
        return []


def count_targets(task: Task, batches: Sequence[Batch]) -> dict[str, int]:
    """Targets of each loss in all of the batches."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update(task.count_targets(batch))
    return counts
