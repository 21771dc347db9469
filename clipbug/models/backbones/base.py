"""The interface of backbones: 2-D networks over single frames.

Every backbone passes `tests/contract/test_backbones.py`.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class VisualBackbone(nn.Module, ABC):
    """Base class of networks that turn frames into a grid of features.

    Backbones normalize pixels themselves: every caller passes plain RGB in [0, 255]. Weights are loaded by
    the constructor; frozen stages keep `requires_grad = False` and stay in evaluation mode.

    Attributes:
        out_channels: C of the output.
        stride: Pixels per grid cell, in both directions.
    """

    out_channels: int
    stride: int

    @abstractmethod
    def forward(self, frames: Tensor) -> Tensor:
        """Compute features of every frame independently.

        Shape:
            frames: (F, 3, H, W) float, RGB in [0, 255]; never modified in place.
            returns: (F, C, ceil(H / stride), ceil(W / stride)).
        """
