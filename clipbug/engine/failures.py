"""Errors of a training step that name the step, the recordings and a remedy."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from clipbug.data.loading.batch import Batch
from clipbug.engine.checkpoint import TrainState
from clipbug.errors import ClipbugError, OutOfMemoryError
from clipbug.runtime.files import atomic_folder
from clipbug.runtime.tensors import save_tensors
from clipbug.tasks.base import Task

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
_IDS_SHOWN = 16


@contextmanager
def memory_errors_explained(batches: Sequence[Batch], section: Literal["train", "eval"]) -> Iterator[None]:
    """Convert out-of-memory errors in the block to an `OutOfMemoryError` that names what to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in _MEMORY_WORDS):
            raise
        shapes = ", ".join(sorted({str(tuple(batch.frames.shape)) for batch in batches}))
        keeps = " (and raise train.accumulation_steps by the same factor to keep the result)"
        raise OutOfMemoryError(
            f"out of memory with frames of shape (media items, clips, frames, 3, height, width) = {shapes}",
            f"Lower one of these with --set: {section}.batch_size{keeps if section == 'train' else ''}, "
            f"{section}.num_clips, max_frame_size",
        ) from error


def what_is_not_finite(values: Mapping[str, float], batches: Sequence[Batch], *, rank: int) -> str:
    """Describe the NaN and infinite values of a step and its recordings; empty if all values are finite."""
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    if not bad:
        return ""
    ids = [media_id for batch in batches for media_id in batch.media_ids]
    more = f" and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else ""
    return f"rank {rank}: {', '.join(bad)}, with {', '.join(ids[:_IDS_SHOWN])}{more}"


def not_finite_error(problem: str, *, step: int, dump: Path) -> ClipbugError:
    """Return the error for a step with NaN or infinite values.

    Args:
        problem: Description from `what_is_not_finite`.
        step: Number of the step.
        dump: Folder written by `save_failure`.

    Returns:
        The error to raise.
    """
    return ClipbugError(
        f"step {step} is not finite: {problem}",
        f"The weights before the step and the ids of its recordings were saved to {dump}.\n"
        "Lower optim.transformer.learning_rate and optim.backbone.learning_rate, use precision=fp32, or "
        "skip such steps with --max-skipped-steps; the checkpoints before this step are unchanged.",
    )


def save_failure(folder: Path, task: Task, state: TrainState, *, problem: str, ids: Sequence[str]) -> Path:
    """Write the weights before the failed step, its data position and the ids of its media items.

    Data and random numbers follow from config, step and position, so nothing else is needed to reproduce the
    step.

    Args:
        folder: Folder of all failures of a run.
        task: Task with the weights before the step.
        state: State before the step.
        problem: Description of the failure.
        ids: Media ids of the step, of all processes.

    Returns:
        The folder written.

    Raises:
        ClipbugError: The folder is not writable.
    """
    path = folder / f"step-{state.step + 1:06d}"
    facts = {**asdict(state), "problem": problem, "media_ids": list(ids)}
    with atomic_folder(path) as new:
        save_tensors(new / "model.safetensors", task.model.state_dict())
        (new / "failure.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")
    return path
