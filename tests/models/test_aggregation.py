"""Clip aggregation against sums written out by hand."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from clipbug.models.aggregation import ClipAggregation, aggregate_clips, multi_clip_cross_entropy


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def pooled_by_hand(scores: list[float], how: str) -> float:
    if how == "mean":
        return sum(scores) / len(scores)
    return max(scores) if how == "max" else math.log(sum(math.exp(score) for score in scores))


@pytest.mark.parametrize("how", ["mean", "max", "logsumexp"])
def test_aggregation_by_hand(logits: Tensor, how: ClipAggregation) -> None:
    expected = [[pooled_by_hand(row[:, k].tolist(), how) for k in range(5)] for row in logits]
    torch.testing.assert_close(aggregate_clips(logits, how), torch.tensor(expected, dtype=torch.float64))


def test_multi_clip_loss_by_hand(logits: Tensor) -> None:
    """-log of the answer's share of all clips' and classes' exponentials together."""
    labels = [1, 0, 4, 2]
    shares = [row[:, y].exp().sum() / row.exp().sum() for row, y in zip(logits, labels, strict=True)]
    losses = multi_clip_cross_entropy(logits, torch.tensor(labels), "logsumexp")
    torch.testing.assert_close(losses, -torch.stack(shares).log())


@pytest.mark.parametrize("how", ["mean", "max", "logsumexp"])
def test_rows_without_label_cost_nothing(logits: Tensor, how: ClipAggregation) -> None:
    logits.requires_grad_()
    losses = multi_clip_cross_entropy(logits, torch.tensor([1, -100, 0, -100]), how, label_smoothing=0.1)
    assert losses[[1, 3]].tolist() == [0.0, 0.0]
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    assert gradient[[1, 3]].abs().max() == 0
    assert gradient[[0, 2]].abs().max() > 0


def test_label_smoothing_mixes_in_the_uniform_loss(logits: Tensor) -> None:
    labels = torch.tensor([1, 0, 4, 2])
    everywhere = torch.stack(
        [multi_clip_cross_entropy(logits, torch.full((4,), k), "mean") for k in range(5)]
    )
    expected = 0.8 * multi_clip_cross_entropy(logits, labels, "mean") + 0.2 * everywhere.mean(0)
    smoothed = multi_clip_cross_entropy(logits, labels, "mean", label_smoothing=0.2)
    torch.testing.assert_close(smoothed, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_pooled_in_float32(dtype: torch.dtype) -> None:
    """Sixteen clips of score 100 pool to 100 + log 16, which neither half type can tell from 103."""
    scores = torch.full((1, 16, 2), 100.0, dtype=dtype)
    pooled = aggregate_clips(scores, "logsumexp")
    assert pooled.dtype == torch.float32
    assert pooled[0, 0].item() == pytest.approx(100 + math.log(16), abs=1e-4)


def test_unknown_aggregation_is_named() -> None:
    unknown: Any = "median"
    with pytest.raises(ValueError, match="'median'"):
        aggregate_clips(torch.zeros(1, 1, 1), unknown)
