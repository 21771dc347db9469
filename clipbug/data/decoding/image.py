"""Still pictures through OpenCV, and the decoder that serves any picture already in memory."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.base import FrameBatch, InMemory, VideoMetadata
from clipbug.data.decoding.content import count_missing_bytes, image_format
from clipbug.data.decoding.pixels import blend_on_white
from clipbug.errors import DecodeError

_HINT = "Open the picture to check it; if it shows, save it again as PNG or JPEG. If not, leave it out."


def decode_image(data: bytes, *, media_id: str) -> NDArray[np.uint8]:
    """RGB of a JPEG, PNG, WebP, BMP, TIFF or AVIF file, transparency blended on white.

    EXIF orientation is applied, except to pictures with transparency.

    Shape:
        returns (H, W, 3).

    Raises:
        DecodeError: the file is cut off, damaged or of a format that OpenCV cannot read.
    """
    if count_missing_bytes(data):  # some versions of OpenCV fill up with grey
        raise DecodeError(
            f"{media_id}: the picture is cut off, its end is missing", "Copy or record it again."
        )
    encoded = np.frombuffer(data, np.uint8)
    try:
        stored = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
        if stored is not None and stored.ndim == 3 and stored.shape[2] == 4:
            bgra = stored if stored.dtype == np.uint8 else (stored // 257).astype(np.uint8)
            return blend_on_white(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA).astype(np.uint8))
        colour = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DecodeError(
            f"{media_id}: the picture cannot be decoded: {error.err or error}", _HINT
        ) from error
    if colour is None:
        name = image_format(data) or "unknown"
        raise DecodeError(
            f"{media_id}: the picture (format {name}) is damaged or of a kind that cannot be read", _HINT
        )
    return cv2.cvtColor(colour, cv2.COLOR_BGR2RGB).astype(np.uint8)


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
