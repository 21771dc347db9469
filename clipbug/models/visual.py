"""Visual encoder: backbone and grid encoder turn frames into a grid of features."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clipbug.models.backbones.base import VisualBackbone


class GridEncoder(nn.Module):
    """Projects backbone features to the width of the transformer: 3x3 convolution, max-pooling, ReLU.

    Args:
        in_channels: Channels of the backbone.
        hidden_size: Width of the transformer.
        pool: Side of the max-pooling window; incomplete rows and columns are dropped, as in ClipBERT.
    """

    def __init__(self, in_channels: int, hidden_size: int, *, pool: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, hidden_size, 3, padding=1, bias=False)
        self.pool = pool
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        """Compute one vector per grid cell.

        Args:
            features: Output of the backbone.

        Returns:
            The grid.

        Shape:
            features: (F, C, h, w).
            returns: (F, h // pool, w // pool, D).
        """
        grid = F.relu(F.max_pool2d(self.conv(features), self.pool))
        return grid.permute(0, 2, 3, 1)


class VisualEncoder(nn.Module):
    """Backbone and grid encoder.

    Attributes:
        frames_per_call: Frames per call with gradients; see `apply_training_switches`.
        recompute: Whether to recompute activations in the backward pass; see `apply_training_switches`.
    """

    def __init__(self, *, backbone: VisualBackbone, grid_encoder: GridEncoder) -> None:
        super().__init__()
        self.frames_per_call: int | None = None
        self.recompute = False
        self.backbone = backbone
        self.grid_encoder = grid_encoder

    @property
    def frame_multiple(self) -> int:
        """Return the pixels per grid cell: frames with multiples of it as sides lose no border pixels."""
        return self.backbone.stride * self.grid_encoder.pool

    def forward(self, frames: Tensor) -> Tensor:
        """Compute the grid of every frame.

        Args:
            frames: RGB frames; uint8 is converted to float on its device.

        Returns:
            The grids.

        Shape:
            frames: (F, 3, H, W) uint8 or float, RGB in [0, 255].
            returns: (F, h, w, D) with D the transformer's width.

        Raises:
            ValueError: The frames are smaller than a grid cell.
        """
        height, width = frames.shape[-2:]
        if min(height, width) <= self.backbone.stride * (self.grid_encoder.pool - 1):
            raise ValueError(
                f"frames of {height}x{width} pixels are smaller than a grid cell of {self.frame_multiple}"
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
