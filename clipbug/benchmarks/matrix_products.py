"""Measure the matrix-product rate of the machine with every library that models may use."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from clipbug.benchmarks.stopwatch import Stopwatch, Times
from clipbug.models.inference.encoder import LinearStep
from clipbug.models.inference.onednn import FusedLinear, can_fuse


def matrix_products(size: int, dtype: torch.dtype, device: torch.device) -> tuple[Callable[[], Tensor], ...]:
    """Return functions that multiply the same two (size, size) matrices, each with 2 * size**3 operations.

    On x86, torch.mm in float32 uses MKL, which reaches only half the rate of some AMD processors; models use
    oneDNN.

    Args:
        size: number of rows and columns.
        dtype: data type of the matrices.
        device: device of the matrices.

    Returns:
        One function per library.
    """
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    plain = partial(torch.mm, left, right)
    if device.type != "cpu" or not can_fuse(dtype):
        return (plain,)
    linear = nn.Linear(size, size, bias=False, dtype=dtype)
    linear.weight = nn.Parameter(right.t().contiguous(), requires_grad=False)
    return plain, partial(FusedLinear(LinearStep(linear)), left)


def measure_rate(dtype: torch.dtype, *, device: torch.device, size: int = 1024, repeats: int = 20) -> Times:
    """Return the time of one floating-point operation in the fastest library, at best."""
    runs = []
    for multiply in matrix_products(size, dtype, device):
        multiply()
        for _ in range(repeats):
            watch = Stopwatch()
            float(multiply()[0, 0])  # waits for a GPU
            runs.append(watch.read().times(1 / (2 * size**3)))
    return min(runs, key=lambda run: run.seconds)
