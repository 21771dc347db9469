"""Reading one still picture: Pillow for most, with what viewers do about orientation, colours and keys."""

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

_HINT = "Open the picture to check it; if it shows, save it again as PNG or JPEG. If not, leave it out."
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
    """RGB or RGBA of a picture file, upright and in sRGB.

    Args:
        data: the file.
        name: its format, by `image_format`.
        media_id: for messages.

    Shape:
        returns (H, W, 3), or (H, W, 4) where there is transparency.

    Raises:
        DecodeError: the file is cut off, damaged, too large or of a format that cannot be read.
    """
    if name not in _PLUGINS:
        raise DecodeError(
            f"{media_id}: pictures in the format {name or 'unknown'} cannot be read", _CONVERT_HINT
        )
    if count_missing_bytes(data):  # some decoders fill up with grey
        raise DecodeError(
            f"{media_id}: the picture is cut off, its end is missing", "Copy or record it again."
        )
    if name == "png" and (chunk := damaged_png_chunk(data)):
        raise DecodeError(f"{media_id}: the picture is damaged: the checksum of its {chunk} is wrong", _HINT)
    if name == "bmp" and (fields := read_bit_fields(data, media_id=media_id)) is not None:
        return fields
    if name == "tiff" and (parts := read_grey_with_alpha(data, media_id=media_id)) is not None:
        return _finish(*parts)
    with open_still(data, name, media_id=media_id) as image:
        return _read(image, data, name, media_id)


def check_still(data: bytes, name: str | None, *, media_id: str) -> None:
    """Look for parts of a picture that are missing: Pillow fills some of them with grey or black.

    Args:
        data: the file.
        name: its format, by `image_format`; there is more to look for in JPEG and PNG only.
        media_id: for messages.

    Raises:
        DecodeError: a part of the picture is damaged or missing.
    """
    if name == "jpeg":
        _check_jpeg(data, media_id)
    try:
        is_whole = name != "png" or has_all_png_rows(data)
    except (struct.error, KeyError, IndexError, zlib.error):
        is_whole = False
    if not is_whole:
        raise DecodeError(f"{media_id}: a part of the picture is damaged or missing", _HINT)


def _check_jpeg(data: bytes, media_id: str) -> None:
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"err_detect": "explode"}
    try:
        decoder.decode(av.Packet(jpeg_without_metadata(data)))
    except av.InvalidDataError as error:
        raise DecodeError(f"{media_id}: a part of the picture is damaged or missing", _HINT) from error
    except av.FFmpegError:  # a kind of JPEG that only Pillow reads
        return


@contextmanager
def open_still(data: bytes, name: str, *, media_id: str) -> Iterator[Image.Image]:
    """Open a picture with Pillow; whatever goes wrong in the block becomes a DecodeError."""
    with _picture_errors(name, media_id), Image.open(io.BytesIO(data), formats=[_PLUGINS[name]]) as image:
        yield image


@contextmanager
def _picture_errors(name: str, media_id: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about tags, and sizes below Pillow's limit
            yield
    except (DecodeError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise DecodeError(
            f"{media_id}: the picture is too large: {error}", "Scale it down, or cut it into parts."
        ) from error
    except UnidentifiedImageError as error:
        raise DecodeError(
            f"{media_id}: the picture (format {name}) has a damaged or unknown header",
            _HINT,
        ) from error
    except Exception as error:  # Pillow's readers raise errors of any type on damaged files
        raise DecodeError(
            f"{media_id}: the picture (format {name}) is damaged or of a kind that cannot be read: {error}",
            _HINT,
        ) from error


def _read(image: Image.Image, data: bytes, name: str, media_id: str) -> NDArray[np.uint8]:
    orientation = 1 if name == "tiff" else _orientation(image)  # Pillow turns TIFF itself
    space = _colour_space(image, data, name)
    deep = _deep_samples(data, name, is_needed=isinstance(space, CodePoints))
    if deep is not None and isinstance(space, CodePoints):
        return apply_exif_orientation(space.convert(deep), orientation)
    simple = _to_simple_mode(image, data, media_id) if deep is None else Image.fromarray(to_8_bits(deep))
    return _finish(simple, space, orientation)


def _colour_space(image: Image.Image, data: bytes, name: str) -> bytes | CodePoints | None:
    """What a picture's colours have to be converted by; None for sRGB.

    In PNG code points count before a profile, in AVIF behind it.
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
    """RGB or RGBA of a picture in a simple mode, in sRGB and upright."""
    if isinstance(space, bytes):
        image = convert_profile(image, space)
    if image.mode == "LAB":
        image = lab_to_srgb(image)
    pixels = np.asarray(image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB"))
    if isinstance(space, CodePoints):
        pixels = space.convert(pixels)
    return apply_exif_orientation(pixels, orientation)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation; of AVIF what irot and imir say. A damaged EXIF block counts as none."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def orientation_in(exif: bytes) -> int:
    """The orientation that a block of EXIF gives."""
    try:
        tags = Image.Exif()
        tags.load(exif)
        value = tags.get(_ORIENTATION, 1)
    except Exception:  # damaged, which viewers ignore
        return 1
    return value if isinstance(value, int) else 1


class AvifSequence:
    """The pictures of an AVIF image sequence, decoded one at a time.

    Raises:
        DecodeError: the file is damaged.
    """

    def __init__(self, data: bytes, *, media_id: str) -> None:
        self._media_id = media_id
        with _picture_errors("avif", media_id):  # it stays open: pictures are made from those before
            self._image = Image.open(io.BytesIO(data), formats=[_PLUGINS["avif"]])
            self.num_pictures: int = getattr(self._image, "n_frames", 1)
            self.orientation = _orientation(self._image)
            self._space = _colour_space(self._image, data, "avif")
        self.size = self._image.size

    def read(self, index: int) -> NDArray[np.uint8]:
        """RGB or RGBA of a picture, in sRGB, not turned."""
        with _picture_errors("avif", self._media_id):
            self._image.seek(index)
            self._image.load()
            return _finish(self._image, self._space, 1)


def _deep_samples(data: bytes, name: str, *, is_needed: bool) -> NDArray[np.uint16] | None:
    """RGB or RGBA with 16 bits, where Pillow would cut them to 8; None for other pictures.

    Args:
        is_needed: whether 8 bits lose something, as in HDR.
    """
    is_deep_png = name == "png" and data[24] == 16 and data[25] in (2, 6)
    if not is_deep_png and not (name == "avif" and is_needed):
        return None
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3:
        return None
    if name == "avif":  # values of 10 or 12 bits
        channels = data.find(b"pixi") + 8  # their number, then the bits of each
        highest = (1 << data[channels + 1]) - 1
        samples = (np.minimum(samples, highest).astype(np.uint32) * 65535 // highest).astype(np.uint16)
    order = cv2.COLOR_BGRA2RGBA if samples.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(samples, order).astype(np.uint16, copy=False)


def _to_simple_mode(image: Image.Image, data: bytes, media_id: str) -> Image.Image:
    """The picture in one of the modes L, LA, RGB, RGBA, CMYK and LAB."""
    image.load()
    key = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        return _deep_grey(image, key)
    if image.mode in ("1", "L") and isinstance(key, int):
        # Pillow stretches values of 2 and 4 bits, but not the key; those of 1 bit it stretches both
        depth = data[24] if image.mode == "L" and image.format == "PNG" else 8
        stored = image.convert("L")
        return _with_key(stored, np.asarray(stored) == key * 255 // ((1 << depth) - 1))
    match image.mode:
        case "L" | "LA" | "RGBA" | "CMYK" | "LAB":
            return image
        case "RGB" if key is None:
            return image
        case "I" | "F":
            raise DecodeError(f"{media_id}: pictures with samples of type {image.mode} cannot be read", _HINT)
        case "La" | "PA" | "RGBa":
            return image.convert("LA" if image.mode == "La" else "RGBA")
    return image.convert("RGB" if key is None else "RGBA")


def _deep_grey(image: Image.Image, key: object) -> Image.Image:
    """Grey of 12 or 16 bits with 8, and alpha where the key of a PNG is met."""
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
    """The picture with the pixels that are the transparent colour made transparent."""
    return Image.merge("LA", [grey, Image.fromarray(np.where(is_key, 0, 255).astype(np.uint8))])
