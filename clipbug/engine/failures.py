"""Failures of a step, in words that name the step, the recordings and the way out."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from clipbug.data.loading.batch import Batch
from clipbug.engine.state import TrainState
from clipbug.errors import ClipbugError, OutOfMemoryError
from clipbug.runtime.files import atomic_folder
from clipbug.runtime.tensors import save_tensors
from clipbug.tasks.base import Task

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
_IDS_SHOWN = 16


@contextmanager
def memory_errors_explained(batches: Sequence[Batch], section: Literal["train", "eval"]) -> Iterator[None]:
    """Turn what torch raises when memory is used up into an `OutOfMemoryError` that says what to lower.

    Args:
        batches: what is being computed.
        section: of the config, whose settings the hint names.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in _MEMORY_WORDS):
            raise
        shapes = ", ".join(sorted({str(tuple(batch.frames.shape)) for batch in batches}))
        keeps = " (with train.accumulation_steps raised by the same factor nothing else changes)"
        raise OutOfMemoryError(
            f"out of memory with frames (visuals, clips, frames, 3, height, width) of {shapes}",
            f"Lower one of these with --set: {section}.batch_size{keeps if section == 'train' else ''}, "
            f"{section}.num_clips, max_frame_size",
        ) from error


def what_is_not_finite(values: Mapping[str, float], batches: Sequence[Batch], *, rank: int) -> str:
    """The values of a step that are no numbers any more, with the recordings in it; empty if all are."""
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    if not bad:
        return ""
    ids = [media_id for batch in batches for media_id in batch.media_ids]
    more = f" and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else ""
    return f"process {rank}: {', '.join(bad)}, with {', '.join(ids[:_IDS_SHOWN])}{more}"


def not_finite_error(problem: str, *, step: int, dump: Path) -> ClipbugError:
    """For a step that must not be taken.

    Args:
        problem: of `what_is_not_finite`.
        dump: folder of `save_failure`.
    """
    return ClipbugError(
        f"step {step} is not finite: {problem}",
        f"The weights before the step and the ids of its recordings are in {dump}.\n"
        "Lower optim.transformer.learning_rate and optim.backbone.learning_rate, use precision=fp32, or "
        "leave such steps out with --max-skipped-steps; the checkpoints before this step are as they were.",
    )


def save_failure(folder: Path, task: Task, state: TrainState, *, problem: str, ids: Sequence[str]) -> Path:
    """Write the weights before the step after `state`, the position of its data and the ids of its media.

    Data and random numbers follow from config, step and position, so nothing else is needed.

    Raises:
        ClipbugError: the folder cannot be written.
    """
    path = folder / f"step-{state.step + 1:06d}"
    facts = {**asdict(state), "problem": problem, "media_ids": list(ids)}
    with atomic_folder(path) as new:
        save_tensors(new / "model.safetensors", task.model.state_dict())
        (new / "failure.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")
    return path
