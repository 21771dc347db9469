"""Predictions for all rows of a loader, over all processes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn

from clipbug.data.batch import Batch
from clipbug.data.records import Record
from clipbug.engine.failures import memory_errors_explained
from clipbug.errors import DataError
from clipbug.runtime.distributed import Distributed, gather_objects
from clipbug.runtime.precision import autocast, resolve_precision
from clipbug.runtime.progress import ProgressBar
from clipbug.tasks.base import Prediction, Task


def predict(
    task: Task,
    batches: Iterable[Batch],
    *,
    device: torch.device,
    precision: Literal["auto", "fp32", "bf16", "fp16"],
    distributed: Distributed,
    description: str,
) -> list[tuple[Record, Prediction]]:
    """Each row with its prediction, in the loader's order, process after process; the same on every process.

    Args:
        task: left in the mode (training or not) in which it came.
        batches: this process's share of the rows.
        description: of the progress bar.

    Raises:
        DataError: two rows have one id.
        OutOfMemoryError: a batch does not fit.
    """
    resolved = resolve_precision(precision, device)
    pairs: list[tuple[Record, Prediction]] = []
    with inference(task), ProgressBar(description, length(batches), unit="batches") as bar:
        for batch in batches:
            with memory_errors_explained([batch], "eval"), autocast(resolved, device):
                predictions = task.predict(batch.to(device))
            pairs.extend(zip(batch.records, predictions, strict=True))
            bar.update()
    return gather_pairs(pairs, distributed)


@contextmanager
def inference(module: nn.Module) -> Iterator[None]:
    """No gradients, evaluation mode; afterwards the mode in which the module came."""
    was_training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        module.train(was_training)


def gather_pairs(
    pairs: Sequence[tuple[Record, Prediction]], processes: Distributed
) -> list[tuple[Record, Prediction]]:
    """The pairs of all processes, on every process.

    Raises:
        DataError: a row has been answered twice.
    """
    gathered = gather_objects(pairs, processes)
    counts = Counter(record.record_id for record, _ in gathered)
    twice = [record_id for record_id, count in counts.items() if count > 1]
    if twice:
        places = ", ".join(record.source for record, _ in gathered if record.record_id == twice[0])
        raise DataError(
            f"{len(twice)} ids belong to several rows: {twice[0]!r} ({places})", "Give each row its own id."
        )
    return gathered


def length(batches: Iterable[Batch]) -> int | None:
    """Number of batches, where the loader knows it."""
    return len(batches) if isinstance(batches, Sized) else None
