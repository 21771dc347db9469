"""Pixel operations on images in memory."""

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 256


def blend_on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend an image with a white background, rounding to the nearest level.

    Args:
        rgba: Image with alpha.

    Returns:
        RGB image.

    Shape:
        rgba: (H, W, 4); the result is (H, W, 3).
    """
    blended = rgba[..., :3].copy()
    for start in range(
        0, len(rgba), _ROWS_AT_ONCE
    ):  # in strips, because a large image would need several times its memory
        rows = rgba[start : start + _ROWS_AT_ONCE]
        alpha = rows[..., 3:].astype(np.uint16)
        if alpha.min(initial=255) < 255:
            over_white = (rows[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
            blended[start : start + _ROWS_AT_ONCE] = over_white
    return blended


def apply_exif_orientation(picture: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return the image (H, W, C) upright, by EXIF tag 0x0112; a value outside 1 to 8 changes nothing."""
    match orientation:
        case 2:
            return picture[:, ::-1]
        case 3:
            return picture[::-1, ::-1]
        case 4:
            return picture[::-1]
        case 5:
            return picture.swapaxes(0, 1)
        case 6:
            return np.rot90(picture, -1)
        case 7:
            return picture[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(picture)
    return picture


def to_8_bits(samples: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Convert 16-bit samples to 8 bits, rounding to the nearest level."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def divide_by_alpha(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo the alpha premultiplication of an image whose last channel is alpha."""
    alpha = picture[..., -1:].astype(np.uint32)
    colours = np.minimum((picture[..., :-1] * np.uint32(255) + alpha // 2) // np.maximum(alpha, 1), 255)
    return np.concatenate([colours.astype(np.uint8), picture[..., -1:]], axis=-1)
