"""Detect the kind of a file from its bytes, and whether its end is missing according to its own sizes."""

import struct
import zlib
from collections.abc import Iterator
from typing import Literal

Content = Literal["image", "animation", "video", "text"]

_PNG = b"\x89PNG\r\n\x1a\n"
_EBML = b"\x1aE\xdf\xa3"
_SEGMENT = b"\x18S\x80g"
_MEDIA_BOXES = (b"mdat", b"moov", b"moof")
_IMAGE_STARTS = {
    b"GIF8": "gif",
    _PNG: "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"\xff\x0a": "jxl",
    b"\0\0\0\x0cJXL \r\n\x87\n": "jxl",
    b"\0\0\0\x0cjP  \r\n\x87\n": "jp2",
    b"\xff\x4f\xff\x51": "jp2",
    b"II\xbc\x01": "jxr",
    b"8BPS": "psd",
    b"\0\0\1\0": "ico",
    b"\x76\x2f\x31\x01": "exr",
}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_INTERLACED_PASSES = (  # left, top, column step, row step
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_JPEG_MARKERS_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))


def image_format(data: bytes) -> str | None:
    """Return the name of the image format that the first bytes indicate, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _heif_format(data)
    if data[:2] == b"BM" and data[6:10] == bytes(4):
        return "bmp"
    return next((name for start, name in _IMAGE_STARTS.items() if data.startswith(start)), None)


def _heif_format(data: bytes) -> str | None:
    """Return the image format of a file of ISO boxes, by its brands."""
    end = min(int.from_bytes(data[:4]), len(data), 256)
    brands = [data[8:12], *(data[start : start + 4] for start in range(16, end - 3, 4))]
    if brands[0] not in _AVIF_BRANDS | _HEIF_BRANDS:
        return None
    return "avif" if _AVIF_BRANDS.intersection(brands) else "heic"


def detect_content(data: bytes) -> Content:
    """Detect the kind of a file.

    Returns:
        "animation" for an image format with several images (GIF, PNG or WebP), "text" for readable text,
        "image" for a still. Anything unknown is "video", so that FFmpeg decides.
    """
    name = image_format(data)
    if name is None:
        # YUV4MPEG2 is raw video behind a line of text.
        is_text = _is_text(data[:1024]) and not data.startswith(b"YUV4MPEG2 ")
        return "text" if is_text else "video"
    return "image" if _picture_count(data, name) == 1 else "animation"


def _picture_count(data: bytes, name: str) -> int | None:
    """Return the number of images in a file, or None for a GIF that is cut off."""
    match name:
        case "gif":
            return gif_picture_count(data)
        case "png":
            names = [chunk for chunk, _ in png_chunks(data)]
            is_animated = b"acTL" in names[: names.index(b"IDAT") if b"IDAT" in names else 0]
            return max(names.count(b"fcTL"), 1) if is_animated else 1
        case "webp":
            return max(sum(chunk == b"ANMF" for chunk, _ in webp_chunks(data)), 1)
        case "avif":
            return max(len(avif_durations(data)), 1)
    return 1


def avif_durations(data: bytes) -> list[float]:
    """Return the seconds that each image of an AVIF image sequence is shown; empty for a still."""
    scale, steps = data.find(b"mdhd") + 4, data.find(b"stts") + 8
    if data[8:12] != b"avis" or scale < 4 or steps < 8 or steps + 4 > len(data):
        return []
    scale += 20 if data[scale] else 12  # version 1 has 64-bit times before it
    ticks_per_second = int.from_bytes(data[scale : scale + 4]) or 1
    durations: list[float] = []
    for entry in range(int.from_bytes(data[steps : steps + 4])):
        position = steps + 4 + 8 * entry
        if position + 8 > len(data) or len(durations) > len(data):  # each image takes at least one byte
            return []
        count, ticks = struct.unpack_from(">II", data, position)
        durations += [ticks / ticks_per_second] * min(count, len(data))
    return durations


def count_missing_bytes(data: bytes) -> int:
    """Count the bytes that are missing at the end of a file according to its own sizes.

    Returns:
        Number of missing bytes, 1 if only an end marker is missing, and 0 if the file is complete or does not
        state its length.
    """
    if data[:4] == b"RIFF":
        return _missing(8 + int.from_bytes(data[4:8], "little"), data)
    if data.startswith(_PNG):
        return int(not any(name == b"IEND" for name, _ in png_chunks(data)))
    if data.startswith(b"GIF8"):
        return int(gif_picture_count(data) is None)
    if data.startswith(b"\xff\xd8\xff"):
        return int(not _has_jpeg_end(data))
    if data.startswith(_EBML):
        return _missing(_matroska_end(data), data)
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        ends = [end for name, end in _boxes(data) if name in _MEDIA_BOXES]
        return _missing(max(ends, default=0), data)
    return 0


def gif_picture_count(data: bytes) -> int | None:
    """Return the number of images in a GIF, or None if it ends before its end marker."""
    if len(data) < 13:
        return None
    position, count = 13 + colour_table_size(data[10]), 0
    while position < len(data):
        mark = data[position]
        if mark == 0x3B:
            return count
        if mark == 0x2C and position + 9 < len(data):
            count += 1
            position += 11 + colour_table_size(data[position + 9])
        elif mark == 0x21:
            position += 2
        else:
            return None
        while position < len(data) and data[position]:
            position += 1 + data[position]
        position += 1
    return None


def colour_table_size(flags: int) -> int:
    """Return the size in bytes of a GIF's colour table, by the flags before it."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return bool(text) and all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)


def _missing(end: int, data: bytes) -> int:
    return max(end - len(data), 0)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield name and body of each complete chunk of a PNG; stop after IEND."""
    return ((name, body) for name, body, _ in _png_chunks_with_checksums(data))


def damaged_png_chunk(data: bytes) -> str | None:
    """Return the name of the first chunk that is needed to show a PNG and has a wrong checksum."""
    for name, body, checksum in _png_chunks_with_checksums(data):
        is_needed = name[:1].isupper() or name in (b"fcTL", b"fdAT")
        if is_needed and zlib.crc32(body, zlib.crc32(name)) != checksum:
            return name.decode("latin-1")
    return None


def has_all_png_rows(data: bytes) -> bool:
    """Return whether a PNG has as much pixel data as its header announces."""
    chunks = list(png_chunks(data))
    width, height, depth, color_type, _, _, is_interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    bits = depth * _PNG_CHANNELS[color_type]
    passes = _INTERLACED_PASSES if is_interlaced else ((0, 0, 1, 1),)
    expected = 0
    for left, top, step, row_step in passes:
        columns, rows = -(-(width - left) // step), -(-(height - top) // row_step)
        expected += max(rows, 0) * (1 + (columns * bits + 7) // 8) if columns > 0 else 0
    unpacker, count = zlib.decompressobj(), 0
    for name, body in chunks:
        for start in range(0, len(body) if name == b"IDAT" else 0, 1 << 16):
            if count < expected:
                count += len(unpacker.decompress(body[start : start + (1 << 16)]))
    return count + len(unpacker.flush()) >= expected


def _png_chunks_with_checksums(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    position, view = len(_PNG), memoryview(data)
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if position > len(data):
            return
        body, checksum = view[position - 4 - length : position - 4], view[position - 4 : position]
        yield name, body, int.from_bytes(checksum)
        if name == b"IEND":
            return


def webp_chunks(data: bytes | memoryview, start: int = 12) -> Iterator[tuple[bytes, memoryview]]:
    """Yield name and body of each complete chunk of a WebP, or of one of its frames."""
    position, view = start, memoryview(data)
    while position + 8 <= len(view):
        name, length = struct.unpack_from("<4sI", view, position)
        if position + 8 + length > len(view):
            return
        yield name, view[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield name and end of each top-level box of an mp4 or mov file."""
    position = 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size == 1 and position + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, position + 8)
        elif size == 0:  # up to the end of the file
            size = len(data) - position
        if size < 8:
            return
        position += size
        yield name, position


def _matroska_end(data: bytes) -> int:
    """Return where the segment of a Matroska or WebM file ends; 0 for a live recording of unknown length."""
    start = data.find(_SEGMENT, 0, 4096)
    if start < 0 or start + 4 >= len(data):
        return 0
    length = 9 - data[start + 4].bit_length()
    field = int.from_bytes(data[start + 4 : start + 4 + length], "big")
    size = field & (1 << 7 * length) - 1
    is_unknown = size == (1 << 7 * length) - 1
    return 0 if is_unknown else start + 4 + length + size


def jpeg_without_metadata(data: bytes) -> bytes:
    """Remove the segments before a JPEG's first scan that do not affect its pixels."""
    kept, position = [data[:2]], 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        marker = data[position + 1]
        length = 0 if marker == 0xFF else 2 + int.from_bytes(data[position + 2 : position + 4])
        if marker != 0xFF and not (0xE0 <= marker <= 0xEF and marker != 0xEE) and marker != 0xFE:
            kept.append(data[position : position + length])
        position += length or 1
    return b"".join([*kept, data[position:]])


def _has_jpeg_end(data: bytes) -> bool:
    """Return whether an end marker follows the main image's scan (an embedded thumbnail has its own)."""
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return False
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
        elif marker in _JPEG_MARKERS_WITHOUT_LENGTH:
            position += 2
        elif marker == 0xDA:
            return data.find(b"\xff\xd9", position) >= 0
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return False
