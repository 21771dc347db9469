"""Convolutions and linear layers in one operation with what follows them, on an x86 processor.

A separate ReLU, GELU or sum is another pass over memory, and weights in plain layout are changed to the
processor's at every call. These are the operations of oneDNN that torch.compile emits; called directly they
need no compiler and no minute to start. So joined, layers run at the rate of plain matrix products.
"""

import platform
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from clipbug.models.clipbert import ClipBert
from clipbug.models.inference.encoder import LinearStep

_DTYPES = (torch.float32, torch.bfloat16)
_BLOCKS = ("BasicBlock", "Bottleneck")
_TRUNK = ("conv1", "relu", "layer1", "layer2", "layer3", "layer4")
FRAMES_PER_CALL, PAIRS_PER_CALL = 2, 32
"""Small portions cost nothing here, and what a layer puts out is still in the cache for the next."""


def can_fuse(dtype: torch.dtype) -> bool:
    """Whether this processor and this build of torch have the operations in `dtype`."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if dtype not in _DTYPES or not is_x86 or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    has_type = dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return has_type and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def fuse_layers(model: ClipBert) -> None:
    """Put fused operations in the place of a model's large layers.

    Args:
        model: of `prepare_for_inference`, on a CPU, in a type that `can_fuse`; changed in place. It can be
            neither moved nor saved any more.
    """
    with torch.no_grad():
        trunk: Any = model.visual.backbone
        grid_encoder: Any = model.visual.grid_encoder
        if all(hasattr(trunk, name) for name in _TRUNK):
            trunk.conv1, trunk.relu = FusedConv2d(trunk.conv1, has_relu=True), nn.Identity()
            _replace(trunk, _fused_block)
            grid_encoder.conv = FusedConv2d(grid_encoder.conv, has_relu=False)
        _replace(model.bert, _fused_linear)
    model.frames_per_call, model.pairs_per_call = FRAMES_PER_CALL, PAIRS_PER_CALL


def _replace(root: nn.Module, make: Callable[[nn.Module], nn.Module | None]) -> None:
    """Put what `make` gives in the place of each module for which it gives one."""
    for parent in list(root.modules()):
        for name, child in list(parent.named_children()):
            if (made := make(child)) is not None:
                setattr(parent, name, made)


def _fused_block(module: nn.Module) -> nn.Module | None:
    """Told by name: importing torchvision takes a second, and most small models do not need it."""
    return FusedBlock(module) if type(module).__name__ in _BLOCKS else None


def _fused_linear(module: nn.Module) -> nn.Module | None:
    if isinstance(module, LinearStep) and isinstance(module.linear, nn.Linear):
        return FusedLinear(module)
    return None


class FusedConv2d(nn.Module):
    """A convolution with ReLU, or with a sum and ReLU.

    Args:
        conv: its weight is laid out for the processor anew whenever H or W change: the best layout depends
            on them, and not on the number of frames.
        has_relu: whether ReLU follows, after the sum if there is one.
    """

    def __init__(self, conv: nn.Conv2d, *, has_relu: bool) -> None:
        super().__init__()
        sizes: tuple[Any, ...] = (conv.padding, conv.stride, conv.dilation, conv.groups)
        self._sizes = sizes
        self._dtype = conv.weight.dtype
        self._weight = conv.weight.detach()
        self._laid_out: tuple[torch.Size, Tensor] | None = None
        self._bias = None if conv.bias is None else conv.bias.detach()
        self._relu = "relu" if has_relu else None

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """Shape: as of the convolution, channels last; `add` as the output, which is written over it.

        In these sums memory is what is waited for, and one tensor less passes through it.
        """
        x = x.to(self._dtype)
        weights = (self._weight_for(x.shape), self._bias, *self._sizes)
        operations: Any = torch.ops.mkldnn
        output: Tensor
        if add is None:
            output = operations._convolution_pointwise(x, *weights, self._relu or "none", [], "")
        else:
            in_place = operations._convolution_pointwise_.binary
            output = in_place(add, x, *weights, "add", 1.0, self._relu, [], "")
        return output

    def _weight_for(self, shape: torch.Size) -> Tensor:
        """Return the weight in the layout for frames of this size."""
        if self._laid_out is None or self._laid_out[0] != shape[2:]:
            functions: Any = torch._C._nn
            plain = self._weight.to_mkldnn()
            self._laid_out = (
                shape[2:],
                functions.mkldnn_reorder_conv2d_weight(plain, *self._sizes, shape),
            )
        return self._laid_out[1]


class FusedBlock(nn.Module):
    """A residual block of torchvision with folded norms: convolutions with ReLU, the last with the sum."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        parts: Any = dict(block.named_children())
        convs = [part for name, part in parts.items() if name.startswith("conv")]
        shortcut = parts.get("downsample")
        self.steps = nn.ModuleList(FusedConv2d(conv, has_relu=True) for conv in convs)
        self.shortcut = None if shortcut is None else FusedConv2d(shortcut[0], has_relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Shape: as of the block."""
        *first, last = self.steps
        output = x
        for step in first:
            output = step(output)
        result: Tensor = last(output, x if self.shortcut is None else self.shortcut(x))
        return result


class FusedLinear(nn.Module):
    """A `LinearStep` in one operation.

    Args:
        step: its weight is copied in the processor's layout.
    """

    def __init__(self, step: LinearStep) -> None:
        super().__init__()
        linear = step.linear
        self._dtype = linear.weight.dtype
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self._bias = None if linear.bias is None else linear.bias.detach()
        self._after: tuple[Any, ...] = ("gelu", [], "none") if step.has_gelu else ("none", [], "")

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """Shape: (..., in) -> (..., out); `add` as the output; not with GELU."""
        operation = torch.ops.mkldnn._linear_pointwise
        x = x.to(self._dtype)
        output: Tensor
        if add is None:
            output = operation(x, self._weight, self._bias, *self._after)
        else:
            output = operation.binary(x, add.to(self._dtype), self._weight, self._bias, "add")
        return output
