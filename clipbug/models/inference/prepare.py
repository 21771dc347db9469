"""The same function in fewer and cheaper operations, for models that will not be trained any more."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from clipbug.models.clipbert import ClipBert
from clipbug.models.heads import Head
from clipbug.models.inference.encoder import InferenceEncoder
from clipbug.models.inference.onednn import can_fuse, fuse_layers
from clipbug.models.outputs import FusionOutput, PretrainingOutput


def prepare_for_inference(
    model: ClipBert,
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Fold batch norms into their convolutions, store weights as they are computed with, and join operations.

    Norms in evaluation are a scale and a shift per channel: as part of the convolution they cost nothing.
    Under autocast a weight is converted at every call; here it is converted once. What autocast computes in
    float32 (embeddings, norms) stays so, and the head joins it: it costs nothing, and logits of half
    precision would make ties. Of the encoder's last layer a head that reads no tokens gets the first alone.

    Args:
        model: changed in place, in evaluation mode, on the device to compute on; it can be neither moved
            nor saved any more.
        dtype: of convolutions and linear layers: what autocast computes in, or float32.
    """
    device = next(model.parameters()).device
    with torch.no_grad():
        for parent, conv_name, norm_name in list(_conv_norm_pairs(model)):
            _fold(parent, conv_name, norm_name)
        for part in (model.visual, model.bert):
            for module in part.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    module.to(dtype)
        bert: Any = model.bert
        bert.encoder = InferenceEncoder(bert.encoder, first_token_only=not model.head.reads_tokens)
    if dtype != torch.float32:
        model.head = _Float32Head(model.head)
    model.requires_grad_(False)
    if device.type == "cpu" and can_fuse(dtype):
        fuse_layers(model)


class _Float32Head(Head):
    """A head that autocast leaves alone."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head
        self.reads_tokens = head.reads_tokens

    def forward(self, fusion: FusionOutput, *, num_text_tokens: int) -> Tensor | PretrainingOutput:
        """As the head's own."""
        with torch.autocast(fusion.pooled.device.type, enabled=False):
            exact = FusionOutput(*(tensor.float() for tensor in fusion))
            output: Tensor | PretrainingOutput = self.head(exact, num_text_tokens=num_text_tokens)
        return output


def _conv_norm_pairs(model: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """(parent, name of a convolution, name of the batch norm behind it), found as torchvision names them."""
    for parent in model.modules():
        names = [name for name, _ in parent.named_children()]
        candidates = [(name, name.replace("conv", "bn")) for name in names if name.startswith("conv")]
        if isinstance(parent, nn.Sequential):
            candidates += list(pairwise(names))
        for conv_name, norm_name in candidates:
            conv, norm = getattr(parent, conv_name), getattr(parent, norm_name, None)
            if isinstance(conv, nn.Conv2d) and _is_batch_norm(norm):
                yield parent, conv_name, norm_name


def _is_batch_norm(module: Any) -> bool:
    """Told by name for torchvision's frozen norm: importing its class would bring torchvision."""
    is_norm = isinstance(module, nn.BatchNorm2d) or type(module).__name__ == "FrozenBatchNorm2d"
    return is_norm and not module.training


def _fold(parent: nn.Module, conv_name: str, norm_name: str) -> None:
    conv, norm = getattr(parent, conv_name), getattr(parent, norm_name)
    # In double precision, rounded once.
    weight, bias = fuse_conv_bn_weights(
        conv.weight.double(),
        None if conv.bias is None else conv.bias.double(),
        norm.running_mean.double(),
        norm.running_var.double(),
        norm.eps,
        norm.weight.double(),
        norm.bias.double(),
    )
    conv.weight.data = weight.to(conv.weight)
    conv.bias = nn.Parameter(bias.to(conv.weight))
    setattr(parent, norm_name, nn.Identity())
