"""Convert the colours of still images to sRGB, by embedded ICC profiles and code points (CICP)."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from clipbug.data.decoding.tone_mapping import Primaries, Transfer, to_srgb

# ITU-T H.273; values not listed are treated as sRGB, including the curves of BT.709, BT.601 and BT.2020, as
# in image viewers.
_TRANSFERS: dict[int, Transfer] = {4: "gamma22", 5: "gamma28", 8: "linear", 16: "pq", 18: "hlg"}
_PRIMARIES: dict[int, Primaries] = {
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte170m",
    9: "bt2020",
    11: "p3",
    12: "p3",
    22: "ebu3213",
}
_ROWS_AT_ONCE = 256
_MODES_OF_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


@dataclass(frozen=True, slots=True)
class CodePoints:
    """How the values of an image are encoded."""

    transfer: Transfer
    primaries: Primaries

    @property
    def is_srgb(self) -> bool:
        """Return whether no conversion is needed."""
        return self.transfer == "srgb" and self.primaries == "bt709"

    def convert(self, picture: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Convert an image (H, W, 3 or 4) to sRGB; an alpha channel is kept."""
        converted = np.empty(picture.shape, np.uint8)
        for start in range(
            0, len(picture), _ROWS_AT_ONCE
        ):  # in strips, because linear light of a large image takes much memory
            rows = picture[start : start + _ROWS_AT_ONCE]
            alpha = rows[..., 3:] if rows.dtype == np.uint8 else rows[..., 3:] >> 8
            colours = to_srgb(rows[..., :3], transfer=self.transfer, primaries=self.primaries)
            converted[start : start + _ROWS_AT_ONCE] = np.concatenate([colours, alpha], axis=-1)
        return converted


def png_code_points(chunks: Iterator[tuple[bytes, memoryview]]) -> CodePoints | None:
    """Return the code points in a PNG's cICP chunk, or None."""
    for name, body in chunks:
        if name == b"cICP" and len(body) == 4:
            return _code_points(body[0], body[1])
        if name == b"IDAT":
            return None
    return None


def avif_code_points(data: bytes) -> CodePoints | None:
    """Return the code points in an AVIF file's first colour box, or None."""
    start = data.find(b"\0\0\0\x13colrnclx") + 12
    if start < 12 or start + 4 > len(data):
        return None
    return _code_points(int.from_bytes(data[start : start + 2]), int.from_bytes(data[start + 2 : start + 4]))


def convert_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert an image to sRGB by its ICC profile.

    As in browsers, a profile that is damaged or made for another colour model is ignored.

    Args:
        image: Image of mode L, LA, RGB, RGBA, CMYK or LAB.
        profile: Bytes of the profile.

    Returns:
        The converted image, or `image` if the profile is ignored.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES_OF_SPACES.get(source.profile.xcolor_space)
        alpha = image.getchannel("A") if "A" in image.getbands() and image.mode != "LAB" else None
        if mode == "RGB" and image.mode in ("L", "LA", "RGBA"):
            image = image.convert("RGB")
        elif mode == "L" and image.mode == "LA":
            image = image.getchannel("L")
        if mode != image.mode:
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    assert converted is not None, "not in place"
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image of mode LAB to sRGB, which Pillow does not do by itself."""
    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert converted is not None, "not in place"
    return converted


def _code_points(primaries: int, transfer: int) -> CodePoints:
    return CodePoints(_TRANSFERS.get(transfer, "srgb"), _PRIMARIES.get(primaries, "bt709"))
