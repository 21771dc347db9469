"""Split animated images (GIF, PNG, WebP, AVIF) into parts that are still images by themselves."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.content import (
    avif_durations,
    colour_table_size,
    damaged_png_chunk,
    png_chunks,
    webp_chunks,
)
from clipbug.data.decoding.pictures.still import AvifSequence, open_still, orientation_in, read_still
from clipbug.errors import DecodeError

Disposal = Literal["keep", "clear", "restore"]
Box = tuple[int, int, int, int]

_SHORTEST_SECONDS = 0.01  # browsers replace delays up to this by a tenth of a second
_SECONDS_INSTEAD = 0.1
_GIF_DISPOSALS: dict[int, Disposal] = {2: "clear", 3: "restore"}
_WEBP_PICTURE = (b"ALPH", b"VP8 ", b"VP8L")
_MAX_PIXELS = 1 << 26  # of a canvas, which takes 4 bytes per pixel and is held three times
_HINT = "If it plays, convert it to mp4: ffmpeg -i FILE NEW.mp4. If it does not play, exclude it."


@dataclass(frozen=True, slots=True)
class Part:
    """One frame of an animation: what it changes on the canvas.

    Attributes:
        box: Left, top, width, height; may extend beyond the canvas.
        seconds: How long it is shown.
        disposal: What happens to its box before the next frame.
        is_blended: Whether the canvas shows through its transparent pixels; if not, they replace it.
        num_bytes: Size of its data.
        read: Decodes its pixels (H, W, 3 or 4), in sRGB.
    """

    box: Box
    seconds: float
    disposal: Disposal
    is_blended: bool
    num_bytes: int
    read: Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Animation:
    """The parts of an animated image in order, its canvas size and its EXIF orientation."""

    width: int
    height: int
    parts: tuple[Part, ...]
    orientation: int = 1


def split_animation(data: bytes, name: str, *, media_id: str) -> Animation:
    """Split an animated image into its parts.

    Args:
        data: The whole file.
        name: Format name from `image_format`.
        media_id: For messages.

    Returns:
        The animation.

    Raises:
        DecodeError: The file has no frames, or is damaged.
    """
    parse = {"gif": _parse_gif, "png": _parse_png, "webp": _parse_webp, "avif": _parse_avif}[name]
    try:
        animation = parse(data, media_id)
    except (struct.error, IndexError) as error:
        raise DecodeError(f"{media_id}: the animation (format {name}) is damaged", _HINT) from error
    if not animation.parts:
        raise DecodeError(f"{media_id}: the animation (format {name}) has no frames", _HINT)
    if not 0 < animation.width * animation.height <= _MAX_PIXELS:
        raise DecodeError(
            f"{media_id}: the canvas has {animation.width} x {animation.height} pixels,"
            f" expected 1 to {_MAX_PIXELS} in total",
            _HINT,
        )
    return animation


def _shown_seconds(seconds: float) -> float:
    return seconds if seconds > _SHORTEST_SECONDS else _SECONDS_INSTEAD


def _parse_gif(data: bytes, media_id: str) -> Animation:
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
        is_complete = len(table) >= 3 << data[body]  # a colour that is not in the table is transparent
        read = partial(_read_gif_part, data[body:position], box, table, transparent, interlacing, media_id)
        parts.append(
            Part(
                box,
                _shown_seconds(delay / 100),
                _GIF_DISPOSALS.get(disposal, "keep"),
                is_blended=transparent >= 0 or not is_complete,
                num_bytes=position - start,
                read=read,
            )
        )
        delay, disposal, transparent = 0, 0, -1
    if parts:  # some encoders omit the size of the canvas
        left, top, part_width, part_height = parts[0].box
        width, height = max(width, left + part_width), max(height, top + part_height)
    return Animation(width, height, tuple(parts))


def _read_gif_part(
    body: bytes, box: Box, table: bytes, transparent: int, interlacing: int, media_id: str
) -> NDArray[np.uint8]:
    """Return the RGBA pixels of one frame, decoded as a separate GIF with a placeholder palette."""
    if not table:
        raise DecodeError(f"{media_id}: a frame of the GIF has no colour table", _HINT)
    head = struct.pack("<6sHHBBB", b"GIF89a", *box[2:], 0xF7, 0, 0) + bytes(reversed(range(256))) * 3
    picture = struct.pack("<c4HB", b",", 0, 0, *box[2:], interlacing)
    with open_still(head + picture + body + b";", "gif", media_id=media_id) as image:
        numbers = np.asarray(image)
    colours = np.zeros((256, 4), np.uint8)
    colours[: len(table) // 3, :3] = np.frombuffer(table, np.uint8).reshape(-1, 3)
    colours[: len(table) // 3, 3] = 255
    if transparent >= 0:
        colours[transparent, 3] = 0
    pixels: NDArray[np.uint8] = colours[numbers]
    return pixels


def _parse_png(data: bytes, media_id: str) -> Animation:
    if chunk := damaged_png_chunk(data):
        raise DecodeError(f"{media_id}: a {chunk} chunk of the PNG has a wrong checksum", _HINT)
    shared: list[tuple[bytes, bytes]] = []
    controls: list[bytes] = []
    bodies: list[list[memoryview]] = []
    header, num_announced, orientation = b"", 0, 1
    for name, body in png_chunks(data):
        match name:
            case b"IHDR":
                header = bytes(body)
            case b"acTL":
                num_announced = int.from_bytes(body[:4])
            case b"fcTL":
                controls.append(bytes(body))
                bodies.append([])
            case b"IDAT" | b"fdAT":
                if bodies:  # else it is the fallback for programs that show no animations
                    bodies[-1].append(body[4:] if name == b"fdAT" else body)
            case b"eXIf":
                orientation = orientation_in(bytes(body))
            case _ if not bodies or not bodies[-1]:
                shared.append((name, bytes(body)))
    if num_announced != len(controls):
        raise DecodeError(
            f"{media_id}: the animated PNG declares {num_announced} frames and has {len(controls)}", _HINT
        )
    parts = []
    for control, pieces in zip(controls, bodies, strict=True):
        _, width, height, left, top, ticks, ticks_per_second, disposal, blending = struct.unpack(
            ">5I2H2B", control
        )
        parts.append(
            Part(
                (left, top, width, height),
                _shown_seconds(ticks / (ticks_per_second or 100)),
                ("keep", "clear", "restore")[disposal],
                is_blended=blending == 1,
                num_bytes=sum(map(len, pieces)),
                read=partial(_read_png_part, header, (width, height), shared, pieces, media_id),
            )
        )
    width, height = struct.unpack_from(">II", header)
    return Animation(width, height, tuple(parts), orientation)


def _read_png_part(
    header: bytes,
    size: tuple[int, int],
    shared: list[tuple[bytes, bytes]],
    pieces: list[memoryview],
    media_id: str,
) -> NDArray[np.uint8]:
    own = (b"IHDR", struct.pack(">II", *size) + header[8:])
    chunks = [own, *shared, (b"IDAT", b"".join(pieces)), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return read_still(b"\x89PNG\r\n\x1a\n" + b"".join(packed), "png", media_id=media_id)


def _parse_webp(data: bytes, media_id: str) -> Animation:
    width = height = 0
    profile, orientation = b"", 1
    parts = []
    for name, body in webp_chunks(data):
        match name:
            case b"VP8X":
                width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
            case b"ICCP":
                profile = bytes(body)
            case b"EXIF":
                orientation = orientation_in(bytes(body))
            case b"ANMF":
                values = [int.from_bytes(body[at : at + 3], "little") for at in range(0, 15, 3)]
                box = (2 * values[0], 2 * values[1], 1 + values[2], 1 + values[3])
                parts.append(
                    Part(
                        box,
                        _shown_seconds(values[4] / 1000),
                        "clear" if body[15] & 1 else "keep",
                        is_blended=not body[15] & 2,
                        num_bytes=len(body),
                        read=partial(_read_webp_part, body, box, profile, media_id),
                    )
                )
    return Animation(width, height, tuple(parts), orientation)


def _read_webp_part(body: memoryview, box: Box, profile: bytes, media_id: str) -> NDArray[np.uint8]:
    chunks = [(name, bytes(chunk)) for name, chunk in webp_chunks(body, 16) if name in _WEBP_PICTURE]
    has_alpha = any(name in (b"ALPH", b"VP8L") for name, _ in chunks)
    flags = 0x10 * has_alpha | 0x20 * bool(profile)
    sizes = b"".join(struct.pack("<I", side - 1)[:3] for side in box[2:])
    chunks = [
        (b"VP8X", struct.pack("<I", flags) + sizes),
        *([(b"ICCP", profile)] if profile else []),
        *chunks,
    ]
    packed = b"WEBP" + b"".join(
        name + struct.pack("<I", len(chunk)) + chunk + bytes(len(chunk) % 2) for name, chunk in chunks
    )
    return read_still(b"RIFF" + struct.pack("<I", len(packed)) + packed, "webp", media_id=media_id)


def _parse_avif(data: bytes, media_id: str) -> Animation:
    durations = avif_durations(data)
    sequence = AvifSequence(data, media_id=media_id)
    if sequence.num_pictures != len(durations):
        raise DecodeError(
            f"{media_id}: the AVIF sequence has {sequence.num_pictures} frames, but {len(durations)} times",
            _HINT,
        )
    width, height = sequence.size
    parts = [
        Part(
            (0, 0, width, height),
            _shown_seconds(seconds),
            "keep",
            is_blended=False,
            num_bytes=len(data) // len(durations),
            read=partial(sequence.read, index),
        )
        for index, seconds in enumerate(durations)
    ]
    return Animation(width, height, tuple(parts), sequence.orientation)
