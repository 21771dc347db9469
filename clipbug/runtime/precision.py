"""Precision of the network's computations. Weights, optimizer and losses are always fp32."""

from contextlib import AbstractContextManager
from typing import Any, Literal

import torch

from clipbug.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_CPU_BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")


def resolve_precision(name: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> Precision:
    """Return the precision to use on `device`.

    Args:
        name: "auto" is bf16 if the device computes in it natively, else fp32.
        device: Device of the computation.

    Returns:
        The precision.

    Raises:
        ConfigError: fp16 without a GPU.
    """
    if name == "fp16" and device.type != "cuda":
        raise ConfigError(
            f"precision fp16 needs a GPU, but the device is {device}",
            "--set precision=bf16 or precision=fp32",
        )
    if name != "auto":
        return name
    return "bf16" if _computes_in_bf16(device) else "fp32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which the forward pass computes in `precision`."""
    return torch.autocast(device.type, dtype=_DTYPES[precision], enabled=precision != "fp32")


def make_scaler(precision: Precision) -> torch.amp.GradScaler:
    """Create a scaler that keeps small fp16 gradients from vanishing; disabled for other precisions."""
    return torch.amp.GradScaler("cuda", enabled=precision == "fp16")


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older versions of torch cannot tell. Without these instructions, bf16 on a CPU is slower than fp32.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in _CPU_BF16_INSTRUCTIONS)
