"""Clip aggregation and the multi-clip loss against the original's, with gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch

from clipbug.models.aggregation import ClipAggregation, aggregate_clips, multi_clip_cross_entropy
from tests.helpers.rounding import assert_close


@pytest.mark.parametrize("num_clips", [1, 4, 8])
@pytest.mark.parametrize(("theirs", "ours"), [("mean", "mean"), ("max", "max"), ("lse", "logsumexp")])
def test_multi_clip_cross_entropy(num_clips: int, theirs: str, ours: ClipAggregation) -> None:
    with np.load(Path(__file__).with_name("model") / "losses.npz") as file:
        prefix = f"qa_ce/clips{num_clips}/"
        inputs = {key: torch.from_numpy(file[prefix + key]) for key in ("logits", "labels")}
        names = ("loss_per_example", "loss", "grad", "eval_logits")
        expected = {name: torch.from_numpy(file[f"{prefix}{theirs}/{name}"]) for name in names}
    # The original stacks clips first: (N, Q, K).
    logits = inputs["logits"].transpose(0, 1).contiguous().requires_grad_()
    losses = multi_clip_cross_entropy(logits, inputs["labels"].long(), ours)
    (gradient,) = torch.autograd.grad(losses.mean(), logits)

    found = {
        "loss_per_example": losses,
        "loss": losses.mean(),
        "grad": gradient.transpose(0, 1),
        "eval_logits": aggregate_clips(logits, ours),
    }
    terms, greatest = num_clips * logits.shape[-1], logits.abs().max().item()
    for name, value in found.items():
        # A loss is the difference of sums in the size of logits; exp multiplies roundings by logits.
        largest = expected[name].abs().max().item()
        size = greatest * largest if name == "grad" else max(greatest, largest)
        assert_close(value, expected[name], terms=terms, size=size, name=name)
