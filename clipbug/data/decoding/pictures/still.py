"""Decode one still image: mostly with Pillow, plus what viewers do about orientation and colours."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from clipbug.data.decoding.content import (
    count_missing_bytes,
    damaged_png_chunk,
    has_all_png_rows,
    jpeg_without_metadata,
    png_chunks,
)
from clipbug.data.decoding.pictures.bmp import read_bit_fields
from clipbug.data.decoding.pictures.colour import (
    CodePoints,
    avif_code_points,
    convert_profile,
    lab_to_srgb,
    png_code_points,
)
from clipbug.data.decoding.pictures.tiff import read_grey_with_alpha
from clipbug.data.decoding.pixels import apply_exif_orientation, to_8_bits
from clipbug.errors import DecodeError

_HINT = "Open the image in a viewer; if it displays, save it again as PNG or JPEG. If not, exclude it."
_CONVERT_HINT = "Save it as PNG or JPEG: open it in a viewer and export it, or run: magick FILE NEW.png"
_PLUGINS = {
    "png": "PNG",
    "jpeg": "JPEG",
    "webp": "WEBP",
    "bmp": "BMP",
    "tiff": "TIFF",
    "avif": "AVIF",
    "gif": "GIF",
}
_BITS, _PHOTOMETRIC, _ORIENTATION = 258, 262, 274


def read_still(data: bytes, name: str | None, *, media_id: str) -> NDArray[np.uint8]:
    """Decode an image file, upright and in sRGB.

    Args:
        data: The file.
        name: Format name from `image_format`.
        media_id: For messages.

    Returns:
        RGB, or RGBA if the image has transparency.

    Shape:
        The result is (H, W, 3) or (H, W, 4).

    Raises:
        DecodeError: The file is cut off, damaged, too large or of an unsupported format.
    """
    if name not in _PLUGINS:
        raise DecodeError(f"{media_id}: unsupported image (format {name or 'unknown'})", _CONVERT_HINT)
    if count_missing_bytes(data):  # some decoders would fill the rest with grey
        raise DecodeError(f"{media_id}: the image is cut off, its end is missing", "Copy or record it again.")
    if name == "png" and (chunk := damaged_png_chunk(data)):
        raise DecodeError(f"{media_id}: the image is damaged: its {chunk} chunk has a wrong checksum", _HINT)
    if name == "bmp" and (fields := read_bit_fields(data, media_id=media_id)) is not None:
        return fields
    if name == "tiff" and (parts := read_grey_with_alpha(data, media_id=media_id)) is not None:
        return _finish(*parts)
    with open_still(data, name, media_id=media_id) as image:
        return _read(image, data, name, media_id)


def check_still(data: bytes, name: str | None, *, media_id: str) -> None:
    """Check for missing parts of an image, some of which Pillow fills with grey or black.

    Args:
        data: The file.
        name: Format name from `image_format`; only JPEG and PNG need the check.
        media_id: For messages.

    Raises:
        DecodeError: A part of the image is damaged or missing.
    """
    if name == "jpeg":
        _check_jpeg(data, media_id)
    try:
        is_whole = name != "png" or has_all_png_rows(data)
    except (struct.error, KeyError, IndexError, zlib.error):
        is_whole = False
    if not is_whole:
        raise DecodeError(f"{media_id}: a part of the image is damaged or missing", _HINT)


def _check_jpeg(data: bytes, media_id: str) -> None:
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"err_detect": "explode"}
    try:
        decoder.decode(av.Packet(jpeg_without_metadata(data)))
    except av.InvalidDataError as error:
        raise DecodeError(f"{media_id}: a part of the image is damaged or missing", _HINT) from error
    except av.FFmpegError:  # a kind of JPEG that only Pillow can read
        return


@contextmanager
def open_still(data: bytes, name: str, *, media_id: str) -> Iterator[Image.Image]:
    """Open an image with Pillow; any error inside the block becomes a DecodeError."""
    with _picture_errors(name, media_id), Image.open(io.BytesIO(data), formats=[_PLUGINS[name]]) as image:
        yield image


@contextmanager
def _picture_errors(name: str, media_id: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about tags and about sizes below Pillow's limit
            yield
    except (DecodeError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise DecodeError(
            f"{media_id}: the image is too large: {error}", "Scale it down, or crop it into parts."
        ) from error
    except UnidentifiedImageError as error:
        raise DecodeError(
            f"{media_id}: the image (format {name}) has a damaged header, or samples of an unsupported type"
            " (such as 32-bit float)",
            _HINT,
        ) from error
    except Exception as error:  # Pillow's readers raise errors of any type on damaged files
        raise DecodeError(
            f"{media_id}: the image (format {name}) is damaged or of an unsupported kind: {error}",
            _HINT,
        ) from error


def _read(image: Image.Image, data: bytes, name: str, media_id: str) -> NDArray[np.uint8]:
    orientation = 1 if name == "tiff" else _orientation(image)  # Pillow rotates TIFF itself
    space = _colour_space(image, data, name)
    deep = _deep_samples(data, name, is_needed=isinstance(space, CodePoints))
    if deep is not None and isinstance(space, CodePoints):
        return apply_exif_orientation(space.convert(deep), orientation)
    simple = _to_simple_mode(image, data, media_id) if deep is None else Image.fromarray(to_8_bits(deep))
    return _finish(simple, space, orientation)


def _colour_space(image: Image.Image, data: bytes, name: str) -> bytes | CodePoints | None:
    """Return what defines an image's colours; None for sRGB.

    Code points take precedence over a profile in PNG, and vice versa in AVIF.

    Returns:
        An ICC profile, code points, or None.
    """
    profile: bytes | None = image.info.get("icc_profile")
    code_points = None
    if name == "png":
        code_points = png_code_points(png_chunks(data))
    elif name == "avif" and not profile:
        code_points = avif_code_points(data)
    if code_points is None:
        return profile
    return None if code_points.is_srgb else code_points


def _finish(image: Image.Image, space: bytes | CodePoints | None, orientation: int) -> NDArray[np.uint8]:
    """Convert an image in a simple mode to upright sRGB, as RGB or RGBA."""
    if isinstance(space, bytes):
        image = convert_profile(image, space)
    if image.mode == "LAB":
        image = lab_to_srgb(image)
    pixels = np.asarray(image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB"))
    if isinstance(space, CodePoints):
        pixels = space.convert(pixels)
    return apply_exif_orientation(pixels, orientation)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; irot and imir for AVIF. A damaged EXIF block is ignored."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def orientation_in(exif: bytes) -> int:
    """Return the orientation in an EXIF block; 1 if it is missing or damaged."""
    try:
        tags = Image.Exif()
        tags.load(exif)
        value = tags.get(_ORIENTATION, 1)
    except Exception:  # viewers ignore damaged EXIF blocks
        return 1
    return value if isinstance(value, int) else 1


class AvifSequence:
    """The images of an AVIF image sequence, decoded one at a time.

    Args:
        data: The file.
        media_id: For messages.

    Raises:
        DecodeError: The file is damaged.
    """

    def __init__(self, data: bytes, *, media_id: str) -> None:
        self._media_id = media_id
        with _picture_errors("avif", media_id):  # stays open because images depend on earlier ones
            self._image = Image.open(io.BytesIO(data), formats=[_PLUGINS["avif"]])
            self.num_pictures: int = getattr(self._image, "n_frames", 1)
            self.orientation = _orientation(self._image)
            self._space = _colour_space(self._image, data, "avif")
        self.size = self._image.size

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return an image as RGB or RGBA in sRGB, not rotated."""
        with _picture_errors("avif", self._media_id):
            self._image.seek(index)
            self._image.load()
            return _finish(self._image, self._space, 1)


def _deep_samples(data: bytes, name: str, *, is_needed: bool) -> NDArray[np.uint16] | None:
    """Read RGB or RGBA with 16 bits where Pillow would truncate to 8.

    Args:
        data: The file.
        name: Format name.
        is_needed: Whether 8 bits would lose information, as in HDR.

    Returns:
        Samples over the full 16-bit range; None for other images.
    """
    is_deep_png = name == "png" and data[24] == 16 and data[25] in (2, 6)
    if not is_deep_png and not (name == "avif" and is_needed):
        return None
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3:
        return None
    if name == "avif":  # OpenCV returns 10 or 12 bits unscaled
        channels = data.find(b"pixi") + 8  # number of channels, then the bits of each
        highest = (1 << data[channels + 1]) - 1
        samples = (np.minimum(samples, highest).astype(np.uint32) * 65535 // highest).astype(np.uint16)
    order = cv2.COLOR_BGRA2RGBA if samples.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(samples, order).astype(np.uint16, copy=False)


def _to_simple_mode(image: Image.Image, data: bytes, media_id: str) -> Image.Image:
    """Convert an image to one of the modes L, LA, RGB, RGBA, CMYK and LAB.

    Returns:
        The converted image.

    Raises:
        DecodeError: The sample type is not supported.
    """
    image.load()
    key = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        return _deep_grey(image, key)
    if image.mode in ("1", "L") and isinstance(key, int):
        # Pillow scales values of 2 and 4 bits, but not the colour key; for 1 bit it scales both.
        depth = data[24] if image.mode == "L" and image.format == "PNG" else 8
        stored = image.convert("L")
        return _with_key(stored, np.asarray(stored) == key * 255 // ((1 << depth) - 1))
    match image.mode:
        case "L" | "LA" | "RGBA" | "CMYK" | "LAB":
            return image
        case "RGB" if key is None:
            return image
        case "I" | "F":
            raise DecodeError(f"{media_id}: unsupported samples of type {image.mode}", _HINT)
        case "La" | "PA" | "RGBa":
            return image.convert("LA" if image.mode == "La" else "RGBA")
    return image.convert("RGB" if key is None else "RGBA")


def _deep_grey(image: Image.Image, key: object) -> Image.Image:
    """Convert 12- or 16-bit grey to 8 bits, with alpha where a PNG's colour key matches."""
    stored = np.asarray(image).astype(np.uint16)
    samples = stored
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = image.tag_v2.get(_BITS, (16,))[0]
        samples = (stored.astype(np.uint32) * 65535 // ((1 << bits) - 1)).astype(np.uint16)
        if image.tag_v2.get(_PHOTOMETRIC) == 0:
            samples = ~samples
    grey = Image.fromarray(to_8_bits(samples))
    return _with_key(grey, stored == key) if isinstance(key, int) else grey


def _with_key(grey: Image.Image, is_key: NDArray[np.bool_]) -> Image.Image:
    """Make the pixels of the transparent colour transparent."""
    return Image.merge("LA", [grey, Image.fromarray(np.where(is_key, 0, 255).astype(np.uint8))])
