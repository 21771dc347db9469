"""Failures of a step, in words that name the step, the recordings and the way out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from clipbug.data.batch import Batch
from clipbug.errors import ClipbugError, OutOfMemoryError

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


def check_finite(values: Mapping[str, float], batches: Sequence[Batch], *, step: int, rank: int) -> None:
    """Stop a training whose loss or gradient is no number any more.

    Raises:
        ClipbugError: one of the values is not finite; names the step and the recordings in it.
    """
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    if not bad:
        return
    ids = [media_id for batch in batches for media_id in batch.media_ids]
    more = f" and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else ""
    raise ClipbugError(
        f"step {step}, process {rank}: {', '.join(bad)}; in the step: {', '.join(ids[:_IDS_SHOWN])}{more}",
        "Lower optim.transformer.learning_rate and optim.backbone.learning_rate, or use precision=fp32; "
        "the checkpoints before this step are as they were.",
    )
