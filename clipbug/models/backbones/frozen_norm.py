"""Residual networks with frozen norms folded into the preceding convolutions.

A frozen norm is a scale and a shift per channel, so norm(conv(x, w)) = conv(x, scale * w) + shift. Under
autocast this keeps features in half precision, which the norm's float32 parameters would promote, and saves
passes over every feature map.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops.misc import FrozenBatchNorm2d


def conv_and_norm(conv: nn.Conv2d, norm: nn.Module, x: Tensor) -> Tensor:
    """Compute `norm(conv(x))`, in one operation if the norm is frozen. Shape: as for `conv`."""
    if not isinstance(norm, FrozenBatchNorm2d):
        output: Tensor = norm(conv(x))
        return output
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    weight = conv.weight * scale.view(-1, 1, 1, 1)
    return F.conv2d(x, weight, shift, conv.stride, conv.padding, conv.dilation, conv.groups)


def run_stage(stage: nn.Sequential, x: Tensor) -> Tensor:
    """Run the blocks of one stage of a torchvision ResNet. Shape: as for `stage`."""
    for block in stage:
        assert isinstance(block, BasicBlock | Bottleneck), "torchvision's ResNets contain these blocks only"
        x = _run_block(block, x)
    return x


def _run_block(block: BasicBlock | Bottleneck, x: Tensor) -> Tensor:
    output = F.relu(conv_and_norm(block.conv1, block.bn1, x), inplace=True)
    output = conv_and_norm(block.conv2, block.bn2, output)
    if isinstance(block, Bottleneck):
        output = conv_and_norm(block.conv3, block.bn3, F.relu(output, inplace=True))
    shortcut = x
    if block.downsample is not None:
        conv, norm = block.downsample
        shortcut = conv_and_norm(conv, norm, x)
    return F.relu(output.add_(shortcut), inplace=True)
