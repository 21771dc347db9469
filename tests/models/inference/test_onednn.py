"""Joined operations give what the single ones give."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clipbug.models.inference.encoder import LinearStep
from clipbug.models.inference.onednn import FusedConv2d, FusedLinear, can_fuse
from tests.helpers.rounding import assert_close, num_terms

pytestmark = [
    pytest.mark.skipif(not can_fuse(torch.float32), reason="needs an x86 processor"),
    pytest.mark.usefixtures("no_gradients"),
]
DTYPES = [
    pytest.param(torch.float32, id="fp32"),
    pytest.param(
        torch.bfloat16,
        id="bf16",
        marks=pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="the processor has no bf16"),
    ),
]


@pytest.fixture
def no_gradients() -> object:
    """As in inference."""
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


def frames(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype).contiguous(memory_format=torch.channels_last)


def rounded_terms(layer: nn.Module, dtype: torch.dtype) -> int:
    """Sums are kept in float32; in bf16 the results are rounded: of the layer, the sum, the activation."""
    return num_terms(layer) if dtype == torch.float32 else 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_of_changing_sizes(dtype: torch.dtype, kernel: int, stride: int) -> None:
    conv = nn.Conv2d(48, 80, kernel, stride=stride, padding=kernel // 2, dtype=dtype)
    joined = FusedConv2d(conv, has_relu=True)
    same = partial(assert_close, terms=rounded_terms(conv, dtype), dtype=dtype)
    for shape in ((2, 48, 14, 8), (1, 48, 14, 8), (2, 48, 6, 20), (2, 48, 14, 8)):
        x = frames(*shape, dtype=dtype)
        plain = conv(x)
        other = torch.randn_like(plain)
        same(joined(x), F.relu(plain))
        output = other.clone(memory_format=torch.preserve_format)
        assert joined(x, output).data_ptr() == output.data_ptr()
        same(output, F.relu(plain + other))
        without = FusedConv2d(conv, has_relu=False)
        same(without(x), plain)
        same(without(x, other.clone()), plain + other)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("has_gelu", [True, False])
def test_linear_layers(dtype: torch.dtype, has_gelu: bool) -> None:
    step = LinearStep(nn.Linear(48, 80, dtype=dtype), has_gelu=has_gelu)
    joined = FusedLinear(step)
    same = partial(assert_close, terms=rounded_terms(step, dtype), dtype=dtype)
    for rows in (1, 7):
        x = torch.randn(rows, 5, 48, dtype=dtype)
        same(joined(x), step(x))
        if not has_gelu:
            other = torch.randn(rows, 5, 80, dtype=dtype)
            same(joined(x, other), step(x, other))


def test_half_precision_is_left_to_others() -> None:
    assert not can_fuse(torch.float16)
