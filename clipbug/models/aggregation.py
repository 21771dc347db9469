"""Scores of several clips to the scores of their recording, and the training loss over several clips."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

ClipAggregation = Literal["mean", "max", "logsumexp"]

IGNORED_LABEL = -100


def aggregate_clips(logits: Tensor, how: ClipAggregation) -> Tensor:
    """Pool clip scores class by class; computes in float32 where scores come in half precision.

    Shape:
        logits: (Q, N, K).
        returns: (Q, K).

    Raises:
        ValueError: `how` is none of mean, max, logsumexp.
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
            raise ValueError(f"clips are aggregated by mean, max or logsumexp, not {how!r}")


def multi_clip_cross_entropy(
    logits: Tensor, labels: Tensor, how: ClipAggregation, *, label_smoothing: float = 0.0
) -> Tensor:
    """Cross entropy of the pooled scores.

    Under logsumexp this is -log( sum_n exp(z_ny) / sum_n sum_k exp(z_nk) ): one clip that shows the answer is
    enough.

    Shape:
        logits: (Q, N, K).
        labels: (Q,) int64; -100 = no target, loss 0.
        returns: (Q,), not reduced.
    """
    return F.cross_entropy(
        aggregate_clips(logits, how),
        labels,
        ignore_index=IGNORED_LABEL,
        label_smoothing=label_smoothing,
        reduction="none",
    )
