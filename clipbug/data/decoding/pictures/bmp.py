"""Read BMP images with bit fields: Pillow supports few masks, and OpenCV reads padding bytes as alpha."""

import struct

import numpy as np
from numpy.typing import NDArray

from clipbug.errors import DecodeError

_HEADER_END = 14 + 40  # the masks follow, inside a longer header or after this one
_FIRST_HEADER_WITH_ALPHA = 56
_BIT_FIELDS, _ALPHA_BIT_FIELDS = 3, 6
_MAX_SIDE = 1 << 20


def read_bit_fields(data: bytes, *, media_id: str) -> NDArray[np.uint8] | None:
    """Read a BMP with bit fields.

    As in browsers, an alpha channel that is 0 everywhere is ignored.

    Args:
        data: The file.
        media_id: For messages.

    Returns:
        RGB, or RGBA if the header declares an alpha mask; None for a BMP without bit fields.

    Shape:
        The result is (H, W, 3) or (H, W, 4).

    Raises:
        DecodeError: The pixel data is cut off, or the size is invalid.
    """
    if len(data) < _HEADER_END + 16:
        return None
    start, header_size, width, height = struct.unpack_from("<IIii", data, 10)
    bits, compression = struct.unpack_from("<HI", data, 28)
    if header_size < 40 or compression not in (_BIT_FIELDS, _ALPHA_BIT_FIELDS) or bits not in (16, 32):
        return None
    if not (0 < width <= _MAX_SIDE and 0 < abs(height) <= _MAX_SIDE):
        raise DecodeError(f"{media_id}: invalid image size {width} x {height}", "Exclude the file.")
    stride = (width * bits + 31) // 32 * 4
    pixels = data[start : start + stride * abs(height)]
    if len(pixels) < stride * abs(height):
        raise DecodeError(f"{media_id}: the image is cut off, its end is missing", "Copy or record it again.")
    rows = np.frombuffer(pixels, f"<u{bits // 8}").reshape(abs(height), -1)[:, :width]
    has_alpha = header_size >= _FIRST_HEADER_WITH_ALPHA or compression == _ALPHA_BIT_FIELDS
    masks = struct.unpack_from("<4I" if has_alpha else "<3I", data, _HEADER_END)
    picture = np.stack([_channel(rows, mask) for mask in masks[:3]], axis=-1)
    if has_alpha and masks[3] and (alpha := _channel(rows, masks[3])).any():
        picture = np.dstack([picture, alpha])
    return picture if height < 0 else picture[::-1]


def _channel(rows: NDArray[np.unsignedinteger], mask: int) -> NDArray[np.uint8]:
    """Return the bits of a mask, scaled to 0 to 255."""
    if mask == 0:
        return np.zeros(rows.shape, np.uint8)
    lowest = mask & -mask
    highest = mask // lowest
    values = (rows.astype(np.uint64) & np.uint64(mask)) // np.uint64(lowest)
    return ((values * np.uint64(255) + np.uint64(highest // 2)) // np.uint64(highest)).astype(np.uint8)
