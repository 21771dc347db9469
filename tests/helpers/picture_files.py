"""Picture files made byte by byte, where no library writes what a test needs."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PNG_START = b"\x89PNG\r\n\x1a\n"


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """The file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def on_white(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3) of a picture on a white page, by Pillow."""
    page = Image.new("RGBA", image.size, "white")
    page.alpha_composite(image.convert("RGBA"))
    return np.asarray(page.convert("RGB"))


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(color_type: int, depth: int, width: int, rows: list[bytes], *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of raw rows; `extra` chunks stand in front of the pixels."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", header), *extra, (b"IDAT", pixels), (b"IEND", b"")]
    return PNG_START + b"".join(png_chunk(name, body) for name, body in chunks)


def bmp(
    pixels: NDArray[np.unsignedinteger],
    masks: list[int],
    *,
    header_size: int = 40,
    compression: int = 3,
    is_top_down: bool = False,
) -> bytes:
    """A BMP of packed pixels (H, W) of 16 or 32 bits."""
    height, width = pixels.shape
    bits = pixels.itemsize * 8
    header = struct.pack(
        "<IiiHHIIiiII",
        *(header_size, width, -height if is_top_down else height, 1, bits, compression),
        *(0, 0, 0, 0, 0),
    )
    packed = struct.pack(f"<{len(masks)}I", *masks)
    header = header + packed if header_size == 40 else (header + packed).ljust(header_size, b"\0")
    rows = pixels if is_top_down else pixels[::-1]
    body = b"".join(row.tobytes() + bytes(-row.nbytes % 4) for row in rows)
    start = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + body


def tiff(samples: NDArray[np.unsignedinteger], photometric: int, *, extra: int | None = None) -> bytes:
    """An uncompressed TIFF of samples (H, W, C), little-endian; `extra` says what the last channel is."""
    height, width, channels = samples.shape
    bits = samples.itemsize * 8
    tags: dict[int, list[int]] = {
        256: [width],
        257: [height],
        258: [bits] * channels,
        259: [1],
        262: [photometric],
        273: [0],
        277: [channels],
        278: [height],
        279: [samples.nbytes],
    }
    tags |= {338: [extra]} if extra is not None else {}
    end = 8 + 2 + 12 * len(tags) + 4
    tags[273] = [end + 2 * channels]
    entries = b""
    for tag, values in tags.items():
        inline = struct.pack("<I", end) if len(values) > 2 else struct.pack(f"<{len(values)}I", *values)
        if len(values) == 2:
            inline = struct.pack("<2H", *values)
        kind = 4 if tag in (256, 257, 273, 278, 279) else 3
        entries += struct.pack("<HHI", tag, kind, len(values)) + inline
    depths = struct.pack(f"<{channels}H", *[bits] * channels)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + depths + samples.tobytes()
