"""Linear layers in 8-bit integers: weights once, activations row by row as they come."""

from functools import cache

import torch
from torch import Tensor, nn

from clipbug.errors import ConfigError
from clipbug.models.clipbert import ClipBert

_LARGEST = 127


@cache
def _largest_weight() -> int:
    """Return 127, or 63 where pairs of products are added in 16 bits and overflow (x86 before VNNI)."""
    largest = torch.full((64, 64), _LARGEST, dtype=torch.int8)
    is_exact = bool((torch._int_mm(largest, largest) == 64 * _LARGEST**2).all())
    return _LARGEST if is_exact else _LARGEST // 2


class Int8Linear(nn.Module):
    """A linear layer whose products are of 8-bit integers, summed exactly in 32 bits.

    Each row of the weight and each row of the input has a scale of its own, by its greatest magnitude.

    Args:
        linear: taken over; its bias stays in float32.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        exact = linear.weight.detach().float()
        scale = exact.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / _largest_weight()
        self.register_buffer("weight", (exact / scale).round().to(torch.int8).t().contiguous())
        self.register_buffer("scale", scale.t().contiguous())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (..., in) -> (..., out), in the type of `x`."""
        rows = x.flatten(0, -2)
        scale = rows.abs().amax(dim=1, keepdim=True).float().clamp(min=1e-12) / _LARGEST
        products = torch._int_mm((rows / scale).round().to(torch.int8), self.weight)
        exact = products * (scale * self.scale)
        exact = exact if self.bias is None else exact + self.bias
        return exact.to(x.dtype).view(*x.shape[:-1], -1)


def quantize_encoder(model: ClipBert, device: torch.device) -> None:
    """Put 8-bit layers in the place of the encoder's linear layers; the pooler and the head stay exact.

    Raises:
        ConfigError: the device is no CPU.
    """
    if device.type != "cpu":
        raise ConfigError(f"precision int8 is for a CPU, and this is {device}", "use bf16 or fp16")
    for parent in list(model.bert.encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, Int8Linear(child))
