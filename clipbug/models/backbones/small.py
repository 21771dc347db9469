"""A small convolutional network for training from scratch on a CPU."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from clipbug.models.backbones.base import VisualBackbone

STEM_FACTOR = 2
"""Side of the pixel squares that the stem folds into channels."""


class SmallConv(VisualBackbone):
    """Residual network designed for screens with text and few CPU cores.

    The stem folds each 2x2 square of pixels into channels instead of convolving at full resolution: nothing
    is lost (strokes of small letters are one pixel wide), and its convolution runs on a quarter of the
    positions. Later stages halve the resolution and end in residual blocks.

    Norms are per frame and channel (group norm with groups of one): they need no large batch, and have no
    statistics that differ in evaluation. They also remove what is constant over a frame, the last one from
    the output: without it, training from scratch soon uses the features as a bias, which grows until the
    transformer cannot tell one frame from another.

    Args:
        widths: Channels of each stage; each stage halves the resolution.
        blocks: Residual blocks per stage after the stem.
    """

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96, 160), *, blocks: int = 1) -> None:
        super().__init__()
        self.out_channels = widths[-1]
        self.stride = 2 ** len(widths)
        self.stem = ConvNorm(3 * STEM_FACTOR**2, widths[0])
        self.stages = nn.Sequential(*(_stage(before, width, blocks) for before, width in pairwise(widths)))
        self.norm = frame_norm(widths[-1])

    def forward(self, frames: Tensor) -> Tensor:
        """Compute features of the last stage; before scale and shift, each channel has mean 0 over a frame.

        Args:
            frames: RGB frames.

        Returns:
            Features.

        Shape:
            frames: (F, 3, H, W) float, RGB in [0, 255].
            returns: (F, C, ceil(H / stride), ceil(W / stride)).
        """
        x = frames / 127.5 - 1
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % STEM_FACTOR, 0, -height % STEM_FACTOR))
        features: Tensor = self.norm(self.stages(self.stem(F.pixel_unshuffle(x, STEM_FACTOR))))
        return features


class ConvNorm(nn.Module):
    """3x3 convolution, norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = _convolution(in_channels, out_channels, stride=stride)
        self.norm = frame_norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the block. Shape: (F, in, H, W) -> (F, out, ceil(H / stride), ceil(W / stride))."""
        return F.relu(self.norm(self.conv(x)))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, initialized to the identity so that depth does no harm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.conv = _convolution(channels, channels)
        self.norm = frame_norm(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the block. Shape: (F, channels, H, W), both."""
        return F.relu(x + self.norm(self.conv(self.first(x))))


def frame_norm(channels: int) -> nn.GroupNorm:
    """Return a norm of each channel over each frame, with learned scale and shift.

    On a CPU its backward pass is seven times slower on channels-last tensors, so this network does not use
    those.

    Returns:
        The norm layer.
    """
    return nn.GroupNorm(channels, channels)


def _convolution(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Conv2d:
    convolution = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return convolution


def _stage(in_channels: int, out_channels: int, blocks: int) -> nn.Sequential:
    residual = (ResidualBlock(out_channels) for _ in range(blocks))
    return nn.Sequential(ConvNorm(in_channels, out_channels, stride=2), *residual)
