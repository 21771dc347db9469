"""How near two computations of the same numbers come in floating point, whatever the processor.

Processors, layouts, batch sizes and fused operations add the same terms in another order, and each addition
rounds its sum by at most half a unit in the last place: u = eps / 2 of its size. Roundings are as good as
independent, so over n additions in a row they grow as a random walk does, to u * sqrt(n) (Higham and Mary, "A
new approach to probabilistic rounding error analysis", 2019), where the bound for the worst case is u * n. In
a network a value has passed the sums of all layers, so n is the number of terms of all of them together. Both
sides of a comparison are rounded, hence

    max |actual - expected| <= eps * sqrt(n) * max |expected|

Measured for a ResNet-50 (n = 71,000, tolerance 3.2e-5): 3e-6 with AVX-512 and AVX2, 6e-6 with SSE 4.1.
Mistakes are of another order: two swapped channels of one layer 2e-2, a layer that is left out 0.4.
"""

import math
from typing import Any

import torch
from torch import nn

LEAST_TERMS = 64
"""Of sums next to which other roundings count: functions such as exp are good to a few units only."""

TERMS_OF_A_TINY_MODEL = 25_000
"""At least those of any preset under configs/tiny and of the models that tests build, forward and back."""


def num_terms(*modules: nn.Module) -> int:
    """Return how many terms the layers of modules add up one after the other, branches included."""
    layers = [layer for module in modules for layer in module.modules()]
    products = (nn.Conv2d, nn.Linear)
    terms = [layer.weight[0].numel() for layer in layers if isinstance(layer, products)]
    means = [2 * math.prod(layer.normalized_shape) for layer in layers if isinstance(layer, nn.LayerNorm)]
    return sum(terms) + sum(means)


def tolerance(terms: int, dtype: torch.dtype = torch.float32) -> float:
    """Return the greatest difference that rounding explains, relative to the greatest value."""
    return torch.finfo(dtype).eps * math.sqrt(max(terms, LEAST_TERMS))


def excess(
    actual: Any, expected: Any, *, terms: int, dtype: torch.dtype = torch.float32, size: float | None = None
) -> float:
    """Return the greatest difference as a multiple of the tolerance: at most 1 for equal computations.

    Args:
        actual, expected: numbers, arrays or tensors of one shape.
        terms: how many terms the longest way through the computation adds up; see `num_terms`.
        dtype: the type computed in.
        size: the greatest value that was added where the result is smaller, because terms cancel.
    """
    values, wanted = (torch.as_tensor(side).detach().double() for side in (actual, expected))
    assert values.shape == wanted.shape, f"shape {tuple(values.shape)}, not {tuple(wanted.shape)}"
    difference = float((values - wanted).abs().max())
    scale = float(wanted.abs().max()) if size is None else size
    if difference == 0:
        return 0.0
    return difference / (tolerance(terms, dtype) * scale) if scale else math.inf


def assert_close(
    actual: Any,
    expected: Any,
    *,
    terms: int,
    dtype: torch.dtype = torch.float32,
    size: float | None = None,
    name: str = "",
) -> None:
    """Fail where two computations differ by more than rounding; the arguments are those of `excess`."""
    multiple = excess(actual, expected, terms=terms, dtype=dtype, size=size)
    assert multiple <= 1, f"{name}: off by {multiple:.3g} times the tolerance, {tolerance(terms, dtype):.2g}"
