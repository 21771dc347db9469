"""Joined operations give what the single ones give."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clipbug.models.inference_encoder import LinearStep
from clipbug.models.onednn import FusedConv2d, FusedLinear, can_fuse

pytestmark = [
    pytest.mark.skipif(not can_fuse(torch.float32), reason="needs an x86 processor"),
    pytest.mark.usefixtures("no_gradients"),
]
DTYPES = [
    pytest.param(torch.float32, 1e-5, id="fp32"),
    pytest.param(
        torch.bfloat16,
        0.04,  # 8 bits of numbers up to 5
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


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_of_changing_sizes(
    dtype: torch.dtype, tolerance: float, kernel: int, stride: int
) -> None:
    conv = nn.Conv2d(48, 80, kernel, stride=stride, padding=kernel // 2, dtype=dtype)
    joined = FusedConv2d(conv, has_relu=True)
    for shape in ((2, 48, 14, 8), (1, 48, 14, 8), (2, 48, 6, 20), (2, 48, 14, 8)):
        x = frames(*shape, dtype=dtype)
        plain = conv(x)
        other = torch.randn_like(plain)
        torch.testing.assert_close(joined(x), F.relu(plain), atol=tolerance, rtol=0)
        output = other.clone(memory_format=torch.preserve_format)
        assert joined(x, output).data_ptr() == output.data_ptr()
        torch.testing.assert_close(output, F.relu(plain + other), atol=tolerance, rtol=0)
        without = FusedConv2d(conv, has_relu=False)
        torch.testing.assert_close(without(x), plain, atol=tolerance, rtol=0)
        torch.testing.assert_close(without(x, other.clone()), plain + other, atol=tolerance, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("has_gelu", [True, False])
def test_linear_layers(dtype: torch.dtype, tolerance: float, has_gelu: bool) -> None:
    step = LinearStep(nn.Linear(48, 80, dtype=dtype), has_gelu=has_gelu)
    joined = FusedLinear(step)
    for rows in (1, 7):
        x = torch.randn(rows, 5, 48, dtype=dtype)
        torch.testing.assert_close(joined(x), step(x), atol=tolerance, rtol=0)
        if not has_gelu:
            other = torch.randn(rows, 5, 80, dtype=dtype)
            torch.testing.assert_close(joined(x, other), step(x, other), atol=tolerance, rtol=0)


def test_half_precision_is_left_to_others() -> None:
    assert not can_fuse(torch.float16)
