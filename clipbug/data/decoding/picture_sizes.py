"""Which sizes the pictures of a recording have, told by the headers of its packets: hardly any is decoded."""

from __future__ import annotations  # Packet takes no index at run time

from collections.abc import Callable, Iterator

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from clipbug.data.decoding.container import decode_errors, open_container, packets_of

Size = tuple[int, int]

_HEAD_BYTES = 4096  # what tells the size comes first in a packet
_START_CODE = b"\0\0\1"
_LENGTH_SIZE_AT = {
    "h264": 4,
    "hevc": 21,
}  # in the header of mp4 and Matroska, whose units begin with a length
_CHROMA_SRGB = 7
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)


def coded_sizes(data: bytes, *, media_id: str) -> list[Size]:
    """(height, width) of the pictures as stored, each size once, in the order in which they come.

    Empty for codecs whose pictures cannot change their size. AV1's may also change between two keyframes,
    which is not found out.

    Raises:
        DecodeError: the packets cannot be read.
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
                if packet.has_sidedata("new_extradata"):  # another sample description of mp4
                    extradata = header = bytes(packet.get_sidedata("new_extradata"))
                is_new = header is not None and header not in headers
                size = _decoded_size(context, packet) if is_new else None
                headers.add(header or b"")
            if size is not None:
                sizes[size] = None
    return list(sizes)


def _header(codec: str, head: bytes, extradata: bytes, *, is_keyframe: bool) -> bytes | None:
    """What of a packet the size depends on; None if it depends on an earlier packet."""
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
    """The units of a packet, without start code or length."""
    place = _LENGTH_SIZE_AT.get(codec)
    if place is None or extradata[:1] != b"\1" or len(extradata) <= place:
        yield from (unit for unit in head.split(_START_CODE)[1:] if unit)
        return
    length_size, position = (extradata[place] & 3) + 1, 0
    while position + length_size < len(head):
        start = position + length_size
        position = start + int.from_bytes(head[position:start], "big")
        if position > start:
            yield head[start:position]


def _decoded_size(context: VideoCodecContext, packet: Packet[VideoStream]) -> Size | None:
    """The size of a keyframe's picture, or None if the packet alone gives none."""
    context.flush_buffers()
    try:
        frames = context.decode(packet) + context.decode(None)
    except av.FFmpegError:  # reading pictures will tell
        frames = []
    context.flush_buffers()
    return (frames[0].height, frames[0].width) if frames else None


def _vp8_size(head: bytes) -> Size | None:
    """RFC 6386, 9.1: keyframes only."""
    if len(head) < 10 or head[0] & 1:
        return None
    return int.from_bytes(head[8:10], "little") & 0x3FFF, int.from_bytes(head[6:8], "little") & 0x3FFF


def _vp9_size(head: bytes) -> Size | None:
    """VP9 specification, 6.2: any picture may have a new size; None for one of an earlier picture."""
    bits = _Bits(head)
    bits.read(2)
    profile = bits.read(1) | bits.read(1) << 1
    bits.read(profile == 3)
    if bits.read(1):  # shows an earlier picture
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
    """Of the frame header, behind segments that give their length."""
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        if head[position + 1] in _JPEG_FRAMES:
            height, width = head[position + 5 : position + 7], head[position + 7 : position + 9]
            return int.from_bytes(height, "big"), int.from_bytes(width, "big")
        position += 2 + int.from_bytes(head[position + 2 : position + 4], "big")
    return None


class _Bits:
    """Reads numbers of any count of bits; zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:64], "big")
        self._size = min(len(data), 64) * 8
        self._position = 0

    @property
    def is_over(self) -> bool:
        """Whether more has been read than there is."""
        return self._position > self._size

    def read(self, count: int) -> int:
        """The next `count` bits."""
        self._position += count
        shift = self._size - self._position
        return (self._value >> shift if shift >= 0 else 0) & (1 << count) - 1


_SIZE_READERS: dict[str, Callable[[bytes], Size | None]] = {
    "vp8": _vp8_size,
    "vp9": _vp9_size,
    "mjpeg": _jpeg_size,
}
