"""Compute predictions for a stream of batches."""

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
"""Most texts that are scored at a time, however many there are about one media item."""


def predict(
    task: Task,
    batches: Iterable[Batch | UnreadVisual],
    *,
    encode: Callable[[Tensor], Tensor],
    device: torch.device,
    precision: InferencePrecision,
    description: str,
) -> Iterator[list[Prediction] | UnreadVisual]:
    """Yield the predictions of each batch, in its order, as soon as they are computed.

    Media items are encoded once for all questions about them.

    Args:
        task: left in its mode (training or not).
        batches: of this process; media that could not be read are passed on, as are media whose scores are
            not finite.
        encode: frames (B, N, T, 3, H, W) to their grid, on `device`.
        description: of the progress bar, which counts media items.

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
    """Yield the result of `compute` for each batch, in its order, as soon as it is computed.

    Args:
        batches: of this process; media that could not be read are passed on.
        compute: called in inference mode, under autocast.
        module: that it runs; left in its mode (training or not).
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
NOT_FINITE_HINT = "Compute with --precision fp32, choose an earlier checkpoint with --step, or train again."


def _without_scores(batch: Batch, predictions: Sequence[Prediction]) -> Iterator[UnreadVisual]:
    """Yield each media item with scores that are not finite."""
    by_media: dict[str, list[Record]] = {}
    for record, prediction in zip(batch.records, predictions, strict=True):
        if not prediction.is_finite:
            by_media.setdefault(record.media_id, []).append(record)
    for media_id, records in by_media.items():
        yield UnreadVisual(media_id, tuple(records), f"{media_id}: {NOT_FINITE}", NOT_FINITE_HINT)


@contextmanager
def inference(module: nn.Module) -> Iterator[None]:
    """Disable gradients and set evaluation mode; afterwards restore the mode of the module."""
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
    """Return the pairs of all processes, on every process.

    Raises:
        DataError: a row was answered twice.
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
    """Return the number of batches, or None if the loader does not know it."""
    return len(batches) if isinstance(batches, Sized) else None
