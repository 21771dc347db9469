"""Transforms of pictures: scaling as in ClipBERT, and augmentation."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

# Small enough that an app screen stays readable and its layout the same; flips and rotations would not be.
_ZOOM = 0.08
_SHIFT = 0.04
_BRIGHTNESS = 30.0
_CONTRAST = 0.2
_COLOUR = 0.1


def scale_as_clipbert(pictures: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """Scale pictures bilinearly in float without antialiasing, as ClipBERT was trained.

    Shape:
        pictures: (F, H, W, 3).
        returns: (F, 3, h, w) float32, RGB in [0, 255].
    """
    scaled = torch.empty(len(pictures), 3, *size)
    for picture, target in zip(pictures, scaled, strict=True):  # one by one: full pictures are large as float
        frame = torch.from_numpy(picture).permute(2, 0, 1).float()[None]
        target[:] = functional.interpolate(
            frame, size=size, mode="bilinear", align_corners=False, antialias=False
        )[0]
    return scaled


def augment(pictures: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Shift, zoom, brighten or darken and tint pictures slightly, all in the same way.

    Shape:
        pictures and result: (F, H, W, 3).
    """
    height, width = pictures.shape[1:3]
    table = _colour_table(generator)
    matrix = _movement(generator, height, width)
    changed = np.empty_like(pictures)
    for picture, target in zip(pictures, changed, strict=True):
        moved = cv2.warpAffine(
            picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        cv2.LUT(moved, table, dst=target)
    return changed


def _movement(generator: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """Return an affine matrix (2, 3): zoom about the centre, then shift."""
    zoom = 1.0 + generator.uniform(-_ZOOM, _ZOOM)
    shift_x, shift_y = generator.uniform(-_SHIFT, _SHIFT, 2) * (width, height)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    return np.array(
        [[zoom, 0.0, (1 - zoom) * centre_x + shift_x], [0.0, zoom, (1 - zoom) * centre_y + shift_y]]
    )


def _colour_table(generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return a look-up table (1, 256, 3) for the levels of each channel."""
    contrast = 1.0 + generator.uniform(-_CONTRAST, _CONTRAST)
    brightness = generator.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    gains = 1.0 + generator.uniform(-_COLOUR, _COLOUR, 3)
    levels = (np.arange(256.0)[:, None] - 127.5) * contrast + 127.5 + brightness
    return np.rint(np.clip(levels * gains, 0, 255)).astype(np.uint8)[None]
