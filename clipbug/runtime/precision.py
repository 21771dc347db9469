"""Precision of the network's computations. Weights, optimizer and losses are always fp32."""

import os
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch

from clipbug.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_CPU_BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")
_ONEDNN_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # the first that is set counts
_ONEDNN_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")


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
    return "bf16" if why_not_bf16(device) is None else "fp32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which the forward pass computes in `precision`."""
    return torch.autocast(device.type, dtype=_DTYPES[precision], enabled=precision != "fp32")


def make_scaler(precision: Precision) -> torch.amp.GradScaler:
    """Create a scaler that keeps small fp16 gradients from vanishing; disabled for other precisions."""
    return torch.amp.GradScaler("cuda", enabled=precision == "fp16")


def why_not_bf16(device: torch.device) -> str | None:
    """Return why `device` does not compute in bf16 at full speed, or None if it does.

    On a processor it is not enough that the instructions exist: torch and oneDNN can be limited to older ones
    (`ATEN_CPU_CAPABILITY`, `ONEDNN_MAX_CPU_ISA`), and then emulate bf16, several times slower than fp32.
    """
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return None if has_bf16 else "the GPU has no bf16 instructions"
    # Older versions of torch cannot tell. Without these instructions, bf16 on a CPU is slower than fp32.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if not any(capabilities.get(name, False) for name in _CPU_BF16_INSTRUCTIONS):
        return "the processor has no bf16 instructions"
    used = torch.backends.cpu.get_cpu_capability()
    if used != "AVX512":
        return f"torch uses {used} instructions only, which have no bf16"
    variable = next((name for name in _ONEDNN_LIMITS if os.environ.get(name)), _ONEDNN_LIMITS[0])
    limit = os.environ.get(variable, "")
    return f"{variable} is {limit}, which has no bf16" if limit.upper() in _ONEDNN_WITHOUT_BF16 else None
