"""Find the frame sizes of a recording from its packet headers, decoding hardly any frame."""

from __future__ import annotations  # Packet is not subscriptable at run time

from collections.abc import Callable, Iterator

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from clipbug.data.decoding.container import decode_errors, open_container, packets_of

Size = tuple[int, int]

_HEAD_BYTES = 4096  # the size is near the start of a packet
_START_CODE = b"\0\0\1"
_LENGTH_SIZE_AT = {
    "h264": 4,
    "hevc": 21,
}  # offset in the header of mp4 and Matroska, whose units begin with a length
_CHROMA_SRGB = 7
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)


def coded_sizes(data: bytes, *, media_id: str) -> list[Size]:
    """Return the distinct stored frame sizes, in order of first occurrence.

    Args:
        data: The file.
        media_id: For messages.

    Returns:
        (height, width) pairs; empty for codecs whose frame size cannot change. Size changes of AV1 between
        two keyframes are not detected.

    Raises:
        DecodeError: The packets cannot be read.
    """
    sizes: dict[Size, None] = {}
    headers: set[bytes] = set()
    with (
        open_container(data, media_id) as (container, stream),
        decode_errors(media_id, "its packets cannot be read"),
    ):
        context = stream.codec_context
        codec, extradata = context.codec.canonical_name, context.extradata or b""
        for packet in packets_of(container, stream):
            head = bytes(memoryview(packet)[:_HEAD_BYTES])
            if codec in _SIZE_READERS:
                size = _SIZE_READERS[codec](head)
            else:
                header = _header(codec, head, extradata, is_keyframe=packet.is_keyframe)
                if packet.has_sidedata("new_extradata"):  # mp4 switches to another sample description
                    extradata = header = bytes(packet.get_sidedata("new_extradata"))
                is_new = header is not None and header not in headers
                size = _decoded_size(context, packet) if is_new else None
                headers.add(header or b"")
            if size is not None:
                sizes[size] = None
    return list(sizes)


def _header(codec: str, head: bytes, extradata: bytes, *, is_keyframe: bool) -> bytes | None:
    """Return the bytes of a packet that determine the frame size; None if an earlier packet does."""
    if codec == "av1":
        return head if is_keyframe else None
    if codec == "h264":
        units = [unit for unit in _units(codec, head, extradata) if unit[0] & 31 == 7]
    elif codec == "hevc":
        units = [unit for unit in _units(codec, head, extradata) if unit[0] >> 1 & 63 == 33]
    elif codec == "mpeg4":
        units = [unit for unit in _units(codec, head, extradata) if 0x20 <= unit[0] < 0x30]
    elif codec in ("mpeg1video", "mpeg2video"):
        units = [unit for unit in _units(codec, head, extradata) if unit[0] == 0xB3]
    else:
        return None
    return b"".join(units) or None


def _units(codec: str, head: bytes, extradata: bytes) -> Iterator[bytes]:
    """Yield the units of a packet, without start code or length."""
    offset = _LENGTH_SIZE_AT.get(codec)
    if offset is None or extradata[:1] != b"\1" or len(extradata) <= offset:
        yield from (unit for unit in head.split(_START_CODE)[1:] if unit)
        return
    length_size, position = (extradata[offset] & 3) + 1, 0
    while position + length_size < len(head):
        start = position + length_size
        position = start + int.from_bytes(head[position:start], "big")
        if position > start:
            yield head[start:position]


def _decoded_size(context: VideoCodecContext, packet: Packet[VideoStream]) -> Size | None:
    """Return the size of a keyframe, or None if the packet alone cannot be decoded."""
    context.flush_buffers()
    try:
        frames = context.decode(packet) + context.decode(None)
    except av.FFmpegError:  # reported when its frames are read
        frames = []
    context.flush_buffers()
    return (frames[0].height, frames[0].width) if frames else None


def _vp8_size(head: bytes) -> Size | None:
    """Return the size in a VP8 header (RFC 6386, 9.1), which only keyframes have."""
    if len(head) < 10 or head[0] & 1:
        return None
    return int.from_bytes(head[8:10], "little") & 0x3FFF, int.from_bytes(head[6:8], "little") & 0x3FFF


def _vp9_size(head: bytes) -> Size | None:
    """Return the size in a VP9 header (specification, 6.2), which any frame may have; None if inherited."""
    bits = _Bits(head)
    bits.read(2)
    profile = bits.read(1) | bits.read(1) << 1
    bits.read(profile == 3)
    if bits.read(1):  # shows an earlier frame
        return None
    is_key, is_shown, is_resilient = not bits.read(1), bits.read(1), bits.read(1)
    is_intra = not is_key and not is_shown and bits.read(1)
    if not is_key and not is_resilient:
        bits.read(2)
    if is_key or is_intra:
        bits.read(24)
        if is_key or profile:
            _skip_vp9_colours(bits, profile)
        bits.read(0 if is_key else 8)
    else:
        bits.read(8 + 3 * 4)
        if any(bits.read(1) for _ in range(3)):
            return None
    width, height = bits.read(16) + 1, bits.read(16) + 1
    return None if bits.is_over else (height, width)


def _skip_vp9_colours(bits: _Bits, profile: int) -> None:
    bits.read(profile >= 2)
    is_srgb = bits.read(3) == _CHROMA_SRGB
    if profile % 2:
        bits.read(1 if is_srgb else 4)
    else:
        bits.read(not is_srgb)


def _jpeg_size(head: bytes) -> Size | None:
    """Return the size in the JPEG frame header, which follows segments with a length."""
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        if head[position + 1] in _JPEG_FRAMES:
            height, width = head[position + 5 : position + 7], head[position + 7 : position + 9]
            return int.from_bytes(height, "big"), int.from_bytes(width, "big")
        position += 2 + int.from_bytes(head[position + 2 : position + 4], "big")
    return None


class _Bits:
    """Reads integers of any number of bits; zeros after the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:64], "big")
        self._size = min(len(data), 64) * 8
        self._position = 0

    @property
    def is_over(self) -> bool:
        """Return whether more bits were read than there are."""
        return self._position > self._size

    def read(self, count: int) -> int:
        """Return the next `count` bits as an integer."""
        self._position += count
        shift = self._size - self._position
        return (self._value >> shift if shift >= 0 else 0) & (1 << count) - 1


_SIZE_READERS: dict[str, Callable[[bytes], Size | None]] = {
    "vp8": _vp8_size,
    "vp9": _vp9_size,
    "mjpeg": _jpeg_size,
}
