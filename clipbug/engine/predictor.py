"""Predictions for a stream of batches."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from clipbug.data.loading.batch import Batch, UnreadVisual
from clipbug.data.records import Record
from clipbug.engine.failures import memory_errors_explained
from clipbug.errors import DataError
from clipbug.runtime.distributed import Distributed, gather_objects
from clipbug.runtime.precision import autocast, resolve_precision
from clipbug.runtime.progress import ProgressBar
from clipbug.tasks.base import Prediction, Task

T = TypeVar("T")
InferencePrecision = Literal["auto", "fp32", "bf16", "fp16"]

TEXTS_PER_CALL = 256
"""Scores of all clips are kept for so many texts at a time, however many there are about one visual."""


def predict(
    task: Task,
    batches: Iterable[Batch | UnreadVisual],
    *,
    encode: Callable[[Tensor], Tensor],
    device: torch.device,
    precision: InferencePrecision,
    description: str,
) -> Iterator[list[Prediction] | UnreadVisual]:
    """The predictions of each batch, in its order, as soon as they are there; nothing is kept.

    Visuals are encoded once, and all questions about them share that.

    Args:
        task: left in the mode (training or not) in which it came.
        batches: this process's share; what could not be read is handed on, as are visuals whose scores are
            not finite.
        encode: frames (B, N, T, 3, H, W) to their grid, on `device`.
        description: of the progress bar, which counts visuals.

    Raises:
        OutOfMemoryError: a batch does not fit.
    """

    def compute(batch: Batch) -> tuple[Batch, list[Prediction]]:
        encoded = replace(batch, frames=encode(batch.frames)).to(device)
        return batch, [one for part in encoded.portions(TEXTS_PER_CALL) for one in task.predict(part)]

    for done in run_batches(
        batches, compute, module=task, device=device, precision=precision, description=description
    ):
        if isinstance(done, UnreadVisual):
            yield done
            continue
        batch, predictions = done
        finite = [prediction for prediction in predictions if prediction.is_finite]
        if finite:
            yield finite
        if len(finite) < len(predictions):
            yield from _without_scores(batch, predictions)


def run_batches(
    batches: Iterable[Batch | UnreadVisual],
    compute: Callable[[Batch], T],
    *,
    module: nn.Module,
    device: torch.device,
    precision: InferencePrecision,
    description: str,
) -> Iterator[T | UnreadVisual]:
    """Yield what `compute` makes of each batch, in its order and as soon as it is there.

    Args:
        batches: this process's share; what could not be read is handed on.
        compute: called in inference mode, under autocast.
        module: what it runs; left in the mode (training or not) in which it came.
        device: to compute on.
        precision: of autocast.
        description: of the progress bar, which counts media items.

    Raises:
        OutOfMemoryError: a batch does not fit.
    """
    resolved = resolve_precision(precision, device)
    with ProgressBar(description, length(batches), unit="items") as bar:
        for batch in batches:
            if isinstance(batch, UnreadVisual):
                yield batch
                bar.update()
                continue
            # Within the block nothing is yielded: the caller's own code must not run in inference mode.
            with inference(module), memory_errors_explained([batch], "eval"), autocast(resolved, device):
                result = compute(batch)
            yield result
            bar.update(len(batch.media_ids))


NOT_FINITE = "the model's scores are not finite numbers (NaN or infinite)"
NOT_FINITE_HINT = "compute with --precision fp32, take an earlier checkpoint with --step, or train again"


def _without_scores(batch: Batch, predictions: Sequence[Prediction]) -> Iterator[UnreadVisual]:
    """For each visual whose questions got scores that are not finite, which and why."""
    by_media: dict[str, list[Record]] = {}
    for record, prediction in zip(batch.records, predictions, strict=True):
        if not prediction.is_finite:
            by_media.setdefault(record.media_id, []).append(record)
    for media_id, records in by_media.items():
        yield UnreadVisual(media_id, tuple(records), f"{media_id}: {NOT_FINITE}", NOT_FINITE_HINT)


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


def length(batches: Iterable[object]) -> int | None:
    """Number of batches, where the loader knows it."""
    return len(batches) if isinstance(batches, Sized) else None
