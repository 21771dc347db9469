"""Arithmetic on pictures in memory."""

import numpy as np
from numpy.typing import NDArray


def blend_on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colours that a viewer with a white background shows, rounded to the nearest.

    Shape:
        rgba: (H, W, 4); returns (H, W, 3).
    """
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
