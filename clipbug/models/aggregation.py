"""Aggregate clip scores to recording scores, and compute the training loss over several clips."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

ClipAggregation = Literal["mean", "max", "logsumexp"]

IGNORED_LABEL = -100


def aggregate_clips(logits: Tensor, how: ClipAggregation) -> Tensor:
    """Pool clip scores class by class, in float32 if the scores are in half precision.

    Args:
        logits: Scores of every clip.
        how: Pooling function.

    Returns:
        Pooled scores.

    Shape:
        logits: (Q, N, K).
        returns: (Q, K).

    Raises:
        ValueError: `how` is not mean, max or logsumexp.
    """
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    match how:
        case "mean":
            return logits.mean(dim=1)
        case "max":
            return logits.max(dim=1).values
        case "logsumexp":
            return logits.logsumexp(dim=1)
        case _:
            raise ValueError(f"{how!r} is not a valid clip aggregation; choose from mean, max, logsumexp")


def multi_clip_cross_entropy(
    logits: Tensor, labels: Tensor, how: ClipAggregation, *, label_smoothing: float = 0.0
) -> Tensor:
    """Return the cross entropy of the pooled scores.

    Under logsumexp this is -log( sum_n exp(z_ny) / sum_n sum_k exp(z_nk) ): one clip that shows the answer is
    enough.

    Args:
        logits: Scores of every clip.
        labels: Correct classes.
        how: Pooling function.
        label_smoothing: As for `torch.nn.functional.cross_entropy`.

    Returns:
        Loss of each text, not reduced.

    Shape:
        logits: (Q, N, K).
        labels: (Q,) int64; -100 = no target, loss 0.
        returns: (Q,).
    """
    return F.cross_entropy(
        aggregate_clips(logits, how),
        labels,
        ignore_index=IGNORED_LABEL,
        label_smoothing=label_smoothing,
        reduction="none",
    )
