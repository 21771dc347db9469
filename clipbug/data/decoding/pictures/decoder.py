"""Still pictures, and the decoder that serves any picture already in memory."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.base import FrameBatch, InMemory, VideoMetadata
from clipbug.data.decoding.content import image_format
from clipbug.data.decoding.pictures.still import read_still
from clipbug.data.decoding.pixels import blend_on_white


def decode_image(data: bytes, *, media_id: str) -> NDArray[np.uint8]:
    """RGB of a picture file as viewers show it: upright, in sRGB, transparency blended on white.

    Shape:
        returns (H, W, 3).

    Raises:
        DecodeError: the file is cut off, damaged, too large or of a format that cannot be read.
    """
    picture = read_still(data, image_format(data), media_id=media_id)
    return blend_on_white(picture) if picture.shape[2] == 4 else np.ascontiguousarray(picture)


def resize(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) at `size` (height, width): averaging areas when it becomes smaller."""
    if size == picture.shape[:2]:
        return picture
    is_smaller = size[0] < picture.shape[0] or size[1] < picture.shape[1]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return cv2.resize(picture, size[::-1], interpolation=how).astype(np.uint8, copy=False)


class ImageDecoder(InMemory):
    """One decoded picture as a recording of one picture at time 0.

    Args:
        picture: (H, W, 3) RGB.
        codec: name of the file's format.
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
        """The picture, once per index (all must be 0); scaled by averaging areas when it becomes smaller."""
        outside = [index for index in indices if index != 0]
        if outside:
            raise ValueError(f"indices {outside} are outside {self._media_id}, which is one picture")
        picture = self._picture if size is None else resize(self._picture, size)
        return FrameBatch(np.repeat(picture[None], len(indices), axis=0), np.zeros(len(indices)))
