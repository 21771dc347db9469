"""The contract of backbones: a 2-D network over single frames.

`tests/contract/test_backbones.py` holds every backbone to it.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class VisualBackbone(nn.Module, ABC):
    """Turns frames into a grid of features.

    Normalisation of pixels is the backbone's own business: every caller hands over plain RGB in [0, 255].
    Weights given at construction are loaded there; frozen parts keep `requires_grad = False` and stay in
    evaluation mode.

    Attributes:
        out_channels: C of the output.
        stride: pixels per grid cell, in both directions.
    """

    out_channels: int
    stride: int

    @abstractmethod
    def forward(self, frames: Tensor) -> Tensor:
        """Features of every frame on its own.

        Shape:
            frames: (F, 3, H, W) float, RGB in [0, 255]; never changed in place.
            returns: (F, C, ceil(H / stride), ceil(W / stride)).
        """
