"""The network in the form in which it learns; it is used as ONNX, without torch."""

from torch import Tensor, nn
from torch.nn.functional import interpolate

from clipbug.perception.touch_network import TOUCH_CHANNELS

_NO_TOUCH = -4.0  # most cells hold none


class TouchNetwork(nn.Module):
    """Three scales of a picture, joined at the middle one (stride 4).

    Shape:
        frames: (N, 9, h, w), h and w multiples of 8; result: (N, TOUCH_CHANNELS, h / 4, w / 4) logits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(_layer(9, 14, 5, 2), _layer(14, 28, 3, 2), _layer(28, 28, 3))
        self.coarse = nn.Sequential(_layer(28, 44, 3, 2), _layer(44, 44, 3), _layer(44, 44, 3, 1, 2))
        self.wide = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), _layer(44, 44, 3), _layer(44, 44, 1))
        self.up = _layer(44, 28, 1)
        self.head = nn.Sequential(_layer(28, 28, 3), nn.Conv2d(28, TOUCH_CHANNELS, 1))
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d), "the head ends in a convolution"
        assert last.bias is not None, "which has a bias"
        nn.init.constant_(last.bias, _NO_TOUCH)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits of the heat maps."""
        fine = self.fine(frames)
        coarse = self.coarse(fine)
        wide = interpolate(self.wide(coarse), size=coarse.shape[-2:], mode="nearest")
        joined = fine + interpolate(self.up(coarse + wide), size=fine.shape[-2:], mode="nearest")
        logits: Tensor = self.head(joined)
        return logits


def _layer(inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2 * dilation, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
