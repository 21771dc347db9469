"""Encode frames as data URIs."""

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.report.contents import Filmstrip

_JPEG_QUALITY = 72


def make_filmstrip(pictures: NDArray[np.uint8], frame_seconds: tuple[float, ...]) -> Filmstrip:
    """Return the frames side by side as one JPEG.

    Args:
        pictures: (F, H, W, 3) RGB.
        frame_seconds: time of each frame.

    Returns:
        The filmstrip.
    """
    side_by_side = np.concatenate(list(pictures), axis=1)
    height, width = pictures.shape[1:3]
    return Filmstrip(jpeg_uri(side_by_side), width, height, frame_seconds)


def jpeg_uri(picture: NDArray[np.uint8]) -> str:
    """Return an image, (H, W, 3) RGB, as a JPEG in a data URI."""
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode('ascii')}"
