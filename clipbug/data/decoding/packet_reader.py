"""Navigate to a packet of an open recording: forward, by seeking, or from the start again."""

from __future__ import annotations  # Packet is not subscriptable at run time

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from clipbug.data.decoding.base import Closing, DeclaredTiming
from clipbug.data.decoding.container import decode_errors, open_stream, packets_of
from clipbug.data.media import PacketTable

_FORMATS_WITH_INDEX = {"mov", "matroska"}
_MIN_PACKETS_FOR_SEEK = 64  # reading a packet costs about 5 microseconds, a seek some hundreds


class PacketReader(Closing):
    """Returns the packets of a recording by their index in the stream.

    Args:
        data: The file.
        media_id: For messages.
        table: Packet table of the file; checked against the packets that are read after a seek.
    """

    def __init__(self, data: bytes, *, media_id: str, table: PacketTable) -> None:
        self._data = data
        self._media_id = media_id
        self._table = table
        self._next = 0
        self._open()

    @property
    def context(self) -> VideoCodecContext:
        """Return the decoder for these packets; a new one after going back to the start."""
        return self._stream.codec_context

    @property
    def codec(self) -> str:
        """Return the codec name, such as "h264"."""
        return self._stream.codec_context.codec.canonical_name

    @property
    def coded_size(self) -> tuple[int, int]:
        """Return height and width before rotation."""
        return self._stream.codec_context.height, self._stream.codec_context.width

    @property
    def pixel_aspect(self) -> Fraction:
        """Return the pixel aspect ratio from the container, else the codec; viewers ignore that of a GIF."""
        declared = None if self._container.format.name == "gif" else self._stream.sample_aspect_ratio
        return declared or Fraction(1)

    @property
    def declared_colours(self) -> tuple[int, int] | None:
        """Return matrix and range from the container if the decoder does not pass them on, as for VP8."""
        return self._colours if self.codec == "vp8" else None

    @property
    def declared(self) -> DeclaredTiming | None:
        """Return number of frames and duration in the file's header."""
        frames, duration, time_base = self._stream.frames, self._stream.duration, self._stream.time_base
        if not frames or not duration or time_base is None:
            return None
        return DeclaredTiming((time_base.numerator, time_base.denominator), frames, duration)

    @property
    def declared_fps(self) -> float | None:
        """Return the mean frame rate in the file's header."""
        return float(self._stream.average_rate) if self._stream.average_rate else None

    def packets(self, first: int, last: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Yield index and packet from `first` to `last`; fewer if the file ends."""
        self._go_to(first)
        for packet in self._packets:
            packet_index, self._next = self._next, self._next + 1
            if packet_index >= first:
                yield packet_index, packet
            if packet_index >= last:
                return

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _open(self) -> None:
        self._container, self._stream = open_stream(self._data, self._media_id)
        self._packets = packets_of(self._container, self._stream)
        self._next = 0
        context = self._stream.codec_context
        self._colours = context.colorspace, context.color_range  # saved here because decoding changes them

    def _go_to(self, packet_index: int) -> None:
        """Move to a packet or anywhere before it."""
        if self._next <= packet_index < self._next + _MIN_PACKETS_FOR_SEEK:
            return
        if packet_index > 0 and self._can_seek() and self._seek(packet_index):
            return
        if self._next > packet_index:
            self.close()
            self._open()

    def _can_seek(self) -> bool:
        formats = set(self._container.format.name.split(","))
        return self._table.has_container_times and bool(_FORMATS_WITH_INDEX & formats)

    def _seek(self, packet_index: int) -> bool:
        """Seek to a keyframe; return False if that leads past it or to a packet that cannot be identified."""
        pts = self._table.pts
        with decode_errors(self._media_id, f"seeking to packet {packet_index} failed"):
            self._container.seek(pts[packet_index], stream=self._stream)
            self._packets = packets_of(self._container, self._stream)
            packet = next(self._packets, None)
        self._next = len(pts)
        if packet is None or packet.pts is None or pts.count(packet.pts) != 1:
            return False
        self._next = pts.index(packet.pts)
        self._packets = chain((packet,), self._packets)
        return self._next <= packet_index
