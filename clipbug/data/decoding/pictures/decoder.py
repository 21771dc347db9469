"""Decode still images, and serve an image that is already in memory through the decoder interface."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.base import FrameBatch, InMemory, VideoMetadata, check_indices
from clipbug.data.decoding.content import image_format
from clipbug.data.decoding.pictures.still import read_still
from clipbug.data.decoding.pixels import blend_on_white


def decode_image(data: bytes, *, media_id: str) -> NDArray[np.uint8]:
    """Decode an image file as viewers show it: upright, in sRGB, transparency blended on white.

    Args:
        data: The file.
        media_id: For messages.

    Returns:
        RGB image.

    Shape:
        The result is (H, W, 3).

    Raises:
        DecodeError: The file is cut off, damaged, too large or of an unsupported format.
    """
    picture = read_still(data, image_format(data), media_id=media_id)
    return blend_on_white(picture) if picture.shape[2] == 4 else np.ascontiguousarray(picture)


def resize(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an image (H, W, 3) to `size` (height, width), averaging areas when it becomes smaller."""
    if size == picture.shape[:2]:
        return picture
    is_smaller = size[0] < picture.shape[0] or size[1] < picture.shape[1]
    interpolation = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return cv2.resize(picture, size[::-1], interpolation=interpolation).astype(np.uint8, copy=False)


class ImageDecoder(InMemory):
    """A decoded image as a recording of one frame at time 0.

    Args:
        picture: (H, W, 3) RGB.
        media_id: For messages.
        codec: Name of the file format.
    """

    def __init__(self, picture: NDArray[np.uint8], *, media_id: str, codec: str) -> None:
        self._picture = picture
        self._media_id = media_id
        self.pts_seconds: NDArray[np.float64] = np.zeros(1)
        self.changes: NDArray[np.uint8] = np.zeros(1, np.uint8)
        self.metadata = VideoMetadata(
            codec=codec,
            width=picture.shape[1],
            height=picture.shape[0],
            num_frames=1,
            duration_seconds=0.0,
            average_fps=0.0,
            rotation_degrees=0,
            is_variable_rate=False,
        )

    def frames_at(self, indices: Sequence[int], *, size: tuple[int, int] | None = None) -> FrameBatch:
        """Return the image once per index (all must be 0), averaging areas when it becomes smaller."""
        check_indices(indices, 1, media_id=self._media_id)
        picture = self._picture if size is None else resize(self._picture, size)
        return FrameBatch(np.repeat(picture[None], len(indices), axis=0), np.zeros(len(indices)))
