"""Reading one still picture: Pillow for most, with what viewers do about orientation, colours and keys."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from clipbug.data.decoding.bmp import read_bit_fields
from clipbug.data.decoding.colour import (
    CodePoints,
    avif_code_points,
    convert_profile,
    lab_to_srgb,
    png_code_points,
)
from clipbug.data.decoding.content import count_missing_bytes, png_chunks
from clipbug.data.decoding.pixels import apply_exif_orientation, divide_by_alpha, to_8_bits
from clipbug.errors import DecodeError

_HINT = "Open the picture to check it; if it shows, save it again as PNG or JPEG. If not, leave it out."
_CONVERT_HINT = "Save it as PNG or JPEG: open it in a viewer and export it, or run: magick FILE NEW.png"
_PLUGINS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "bmp": "BMP", "tiff": "TIFF", "avif": "AVIF", "gif": "GIF"}
_PHOTOMETRIC, _ORIENTATION, _SAMPLES, _EXTRA_SAMPLES, _PROFILE = 262, 274, 277, 338, 34675  # tags of TIFF
_ASSOCIATED, _UNASSOCIATED = 1, 2
_GREY_DEPTHS = {"1": 1, "L": 8, "I;16": 16}


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
    if name == "bmp" and (fields := read_bit_fields(data, media_id=media_id)) is not None:
        return fields
    if name == "tiff" and (grey := _tiff_grey_with_alpha(data, media_id)) is not None:
        return grey
    with _opened(data, name, media_id) as image:
        return _read(image, data, name, media_id)


@contextmanager
def _opened(data: bytes, name: str, media_id: str) -> Iterator[Image.Image]:
    """Open a picture with Pillow; whatever goes wrong in the block becomes a DecodeError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about tags, and sizes below Pillow's limit
            with Image.open(io.BytesIO(data), formats=[_PLUGINS[name]]) as image:
                yield image
    except (DecodeError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise DecodeError(
            f"{media_id}: the picture is too large: {error}", "Scale it down, or cut it into parts."
        ) from error
    except Exception as error:  # Pillow's readers raise errors of any type on damaged files
        raise DecodeError(
            f"{media_id}: the picture (format {name}) is damaged or of a kind that cannot be read: {error}", _HINT
        ) from error


def _read(image: Image.Image, data: bytes, name: str, media_id: str) -> NDArray[np.uint8]:
    orientation = 1 if name == "tiff" else _orientation(image)  # Pillow turns TIFF itself
    code_points = None
    if name in ("png", "avif"):
        code_points = png_code_points(png_chunks(data)) if name == "png" else avif_code_points(data)
    deep = _deep_samples(data, name, is_needed=code_points is not None)
    if deep is not None and code_points is not None:
        return apply_exif_orientation(code_points.convert(deep), orientation)
    simple = _to_simple_mode(image, data, media_id) if deep is None else Image.fromarray(to_8_bits(deep))
    return _finish(simple, image.info.get("icc_profile"), code_points, orientation)


def _finish(
    image: Image.Image, profile: bytes | None, code_points: CodePoints | None, orientation: int
) -> NDArray[np.uint8]:
    """RGB or RGBA of a picture in a simple mode, in sRGB and upright. Code points count before a profile."""
    if profile and not code_points:
        image = convert_profile(image, profile)
    if image.mode == "LAB":
        image = lab_to_srgb(image)
    pixels = np.asarray(image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB"))
    return apply_exif_orientation(code_points.convert(pixels) if code_points else pixels, orientation)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation; of AVIF what its irot and imir properties say. A damaged EXIF block counts as none."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


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
    if image.mode in _GREY_DEPTHS:
        return _grey(image, key, depth=data[24] if image.format == "PNG" else _GREY_DEPTHS[image.mode])
    match image.mode:
        case "L" | "LA" | "RGBA" | "CMYK" | "LAB":
            return image
        case "RGB" if key is None:
            return image
        case "I" | "F" | "I;16B" | "I;16N":
            raise DecodeError(f"{media_id}: pictures with samples of type {image.mode} cannot be read", _HINT)
        case "La" | "PA" | "RGBa":
            return image.convert("LA" if image.mode == "La" else "RGBA")
    return image.convert("RGB" if key is None else "RGBA")


def _grey(image: Image.Image, key: object, *, depth: int) -> Image.Image:
    """Grey with 8 bits, and alpha 0 where the stored value is the key (tRNS of PNG)."""
    stored = np.asarray(image if image.mode != "1" else image.convert("L"))
    grey = to_8_bits(stored) if stored.dtype == np.uint16 else stored
    if not isinstance(key, int):
        return Image.fromarray(grey)
    if image.mode == "L":  # Pillow stretches the values, but not the key; those of 1 bit it stretches both
        key = key * 255 // ((1 << depth) - 1)
    alpha = np.where(stored == key, 0, 255).astype(np.uint8)
    return Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])


def _tiff_grey_with_alpha(data: bytes, media_id: str) -> NDArray[np.uint8] | None:
    """A TIFF with grey and alpha, which neither Pillow nor OpenCV read in all depths; None for other files."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        is_grey_with_alpha = tags.get(_SAMPLES) == 2 and tags.get(_PHOTOMETRIC) in (0, 1)
    except Exception:  # `_opened` says what is wrong with it
        return None
    if not is_grey_with_alpha:
        return None
    try:
        decoder = av.CodecContext.create("tiff", "r")
        assert isinstance(decoder, VideoCodecContext)
        samples = _grey_and_alpha(decoder.decode(av.Packet(data))[0])
    except (av.FFmpegError, IndexError, ValueError, KeyError) as error:
        raise DecodeError(f"{media_id}: the picture (format tiff) is damaged: {error}", _HINT) from error
    if tags[_PHOTOMETRIC] == 0:
        samples[..., 1] = ~samples[..., 1]  # FFmpeg inverts alpha too
    kind = (*tags.get(_EXTRA_SAMPLES, ()), _UNASSOCIATED)[0]
    grey = to_8_bits(samples) if samples.dtype == np.uint16 else samples.astype(np.uint8)
    if kind == _ASSOCIATED:
        grey = divide_by_alpha(grey)
    image = Image.merge("LA", [Image.fromarray(np.ascontiguousarray(grey[..., band])) for band in (0, 1)])
    if kind not in (_ASSOCIATED, _UNASSOCIATED):  # something else than alpha
        image = image.getchannel("L")
    return _finish(image, tags.get(_PROFILE), None, tags.get(_ORIENTATION, 1))


def _grey_and_alpha(frame: VideoFrame) -> NDArray[np.unsignedinteger]:
    """(H, W, 2) of a frame of 8 or 16 bits."""
    dtype = {"ya8": "u1", "ya16le": "<u2", "ya16be": ">u2"}[frame.format.name]
    plane = frame.planes[0]
    rows = np.frombuffer(plane, dtype).reshape(frame.height, -1)[:, : 2 * frame.width]
    return rows.reshape(frame.height, frame.width, 2).astype(np.uint8 if dtype == "u1" else np.uint16)
