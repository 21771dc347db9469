"""Taking animated pictures apart: GIF, PNG, WebP and AVIF into parts that are still pictures by themselves."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipbug.data.decoding.content import avif_durations, colour_table_size, png_chunks, webp_chunks
from clipbug.data.decoding.still import open_still, read_still
from clipbug.errors import DecodeError

Disposal = Literal["keep", "clear", "restore"]

_SHORTEST_SECONDS = 0.01  # browsers show what is not longer for a tenth of a second
_SECONDS_INSTEAD = 0.1
_HINT = "If it plays, convert it to mp4: ffmpeg -i FILE NEW.mp4. If it does not play, leave it out."


@dataclass(frozen=True, slots=True)
class Part:
    """One picture of an animation: what it changes on the canvas.

    Attributes:
        box: left, top, width, height; may reach beyond the canvas.
        seconds: how long it is shown.
        disposal: what becomes of its box before the next picture.
        is_blended: whether its transparent pixels let the canvas through; if not, they replace it.
        num_bytes: of its data.
        read: gives its pixels (H, W, 3 or 4), in sRGB.
    """

    box: tuple[int, int, int, int]
    seconds: float
    disposal: Disposal
    is_blended: bool
    num_bytes: int
    read: Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Animation:
    """The parts of an animated picture, in order, and the size of their canvas."""

    width: int
    height: int
    parts: tuple[Part, ...]


def take_apart(data: bytes, name: str, *, media_id: str) -> Animation:
    """The animation in a file.

    Args:
        data: the whole file.
        name: its format, by `image_format`.
        media_id: for messages.

    Raises:
        DecodeError: it has no pictures, or is damaged.
    """
    take = {"gif": _take_gif, "png": _take_png, "webp": _take_webp, "avif": _take_avif}[name]
    try:
        animation = take(data, media_id)
    except (struct.error, IndexError) as error:
        raise DecodeError(f"{media_id}: the animation (format {name}) is damaged", _HINT) from error
    if not animation.parts:
        raise DecodeError(f"{media_id}: the animation (format {name}) has no picture", _HINT)
    if animation.width * animation.height > (Image.MAX_IMAGE_PIXELS or 0) * 2:
        raise DecodeError(
            f"{media_id}: the canvas has {animation.width} x {animation.height} pixels, which is too large",
            "Scale it down.",
        )
    return animation


def _shown_seconds(seconds: float) -> float:
    return seconds if seconds > _SHORTEST_SECONDS else _SECONDS_INSTEAD


def _take_gif(data: bytes, media_id: str) -> Animation:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + colour_table_size(flags)
    common_table = data[13:position]
    parts: list[Part] = []
    delay, disposal, transparent = 0, 0, -1
    while position < len(data) and data[position] != 0x3B:
        start = position
        if data[position] == 0x21:
            position += 2
            if data[start + 1] == 0xF9 and data[position] >= 4:
                packed, delay, index = struct.unpack_from("<BHB", data, position + 1)
                disposal, transparent = packed >> 2 & 7, index if packed & 1 else -1
        elif data[position] == 0x2C:
            box = struct.unpack_from("<4H", data, position + 1)
            interlacing = data[position + 9] & 0x40
            position += 10 + colour_table_size(data[position + 9])
            table, body = data[start + 10 : position] or common_table, position
            position += 1
        else:
            raise DecodeError(f"{media_id}: the GIF is damaged at byte {position}", _HINT)
        while data[position]:
            position += 1 + data[position]
        position += 1
        if data[start] == 0x21:
            continue
        read = _GifPart(data, (body, position), box[2:], interlacing, table, transparent, media_id)
        parts.append(
            Part(
                box,
                _shown_seconds(delay / 100),
                {2: "clear", 3: "restore"}.get(disposal, "keep"),
                is_blended=True,
                num_bytes=position - start,
                read=read,
            )
        )
        delay, disposal, transparent = 0, 0, -1
    if parts:  # some writers leave the size of the canvas out
        left, top, part_width, part_height = parts[0].box
        width, height = max(width, left + part_width), max(height, top + part_height)
    return Animation(width, height, tuple(parts))
