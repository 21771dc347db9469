"""The visual side: backbone and grid encoder, frames to a grid of features."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clipbug.models.backbones.base import VisualBackbone


class GridEncoder(nn.Module):
    """Brings backbone features to the width of the transformer: 3x3 convolution, max-pooling, ReLU.

    Args:
        in_channels: of the backbone.
        hidden_size: of the transformer.
        pool: side of the max-pooling window; rows and columns left over are dropped, as in the original.
    """

    def __init__(self, in_channels: int, hidden_size: int, *, pool: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, hidden_size, 3, padding=1, bias=False)
        self.pool = pool
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        """One vector per grid cell.

        Shape:
            features: (F, C, h, w).
            returns: (F, h // pool, w // pool, D).
        """
        grid = F.relu(F.max_pool2d(self.conv(features), self.pool))
        return grid.permute(0, 2, 3, 1)


class VisualEncoder(nn.Module):
    """Backbone and grid encoder.

    Attributes:
        frames_per_call, recompute: with gradients only; see `clipbug.models.switches`.
    """

    def __init__(self, *, backbone: VisualBackbone, grid_encoder: GridEncoder) -> None:
        super().__init__()
        self.frames_per_call: int | None = None
        self.recompute = False
        self.backbone = backbone
        self.grid_encoder = grid_encoder

    @property
    def frame_multiple(self) -> int:
        """Pixels per grid cell: frames whose sides are multiples of it lose nothing at the border."""
        return self.backbone.stride * self.grid_encoder.pool

    def forward(self, frames: Tensor) -> Tensor:
        """The grid of every frame.

        Shape:
            frames: (F, 3, H, W) uint8 or float, RGB in [0, 255]; uint8 becomes float here, on its device.
            returns: (F, h, w, D) with D the transformer's width.

        Raises:
            ValueError: frames smaller than a grid cell.
        """
        height, width = frames.shape[-2:]
        if min(height, width) <= self.backbone.stride * (self.grid_encoder.pool - 1):
            raise ValueError(
                f"frames of {height}x{width} pixels are smaller than a grid cell, {self.frame_multiple}"
            )
        if not torch.is_grad_enabled():
            return self._encode(frames)
        portions = torch.split(frames, self.frames_per_call or len(frames))
        grids = [
            checkpoint(self._encode, portion, use_reentrant=False)
            if self.recompute
            else self._encode(portion)
            for portion in portions
        ]
        return torch.cat(grids) if len(grids) > 1 else grids[0]

    def _encode(self, frames: Tensor) -> Tensor:
        grid: Tensor = self.grid_encoder(
            self.backbone(frames if frames.is_floating_point() else frames.float())
        )
        return grid
