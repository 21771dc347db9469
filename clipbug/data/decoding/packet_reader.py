"""Going to a packet of an open recording: forward, by a seek, or from the start again."""

from __future__ import annotations  # Packet takes no index at run time

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from types import TracebackType
from typing import Self

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from clipbug.data.decoding.base import DeclaredTiming
from clipbug.data.decoding.container import decode_errors, open_stream, packets_of
from clipbug.data.media import PacketTable

_FORMATS_WITH_INDEX = {"mov", "matroska"}
_MIN_PACKETS_FOR_SEEK = 64  # reading a packet costs about 5 microseconds, a seek some hundreds


class PacketReader:
    """Hands out the packets of a recording by their place in the stream.

    Args:
        data: the file.
        table: its packets; checked against what comes out of the file after a seek.
    """

    def __init__(self, data: bytes, *, media_id: str, table: PacketTable) -> None:
        self._data = data
        self._media_id = media_id
        self._table = table
        self._next = 0
        self._open()

    @property
    def context(self) -> VideoCodecContext:
        """The decoder of the packets handed out; a new one after going back to the start."""
        return self._stream.codec_context

    @property
    def codec(self) -> str:
        """Name of the compression, e.g. "h264"."""
        return self._stream.codec_context.codec.canonical_name

    @property
    def coded_size(self) -> tuple[int, int]:
        """Height and width before rotation."""
        return self._stream.codec_context.height, self._stream.codec_context.width

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a stored pixel by its height: by the container, else the codec; viewers ignore GIF's."""
        declared = None if self._container.format.name == "gif" else self._stream.sample_aspect_ratio
        return declared or Fraction(1)

    @property
    def declared_colours(self) -> tuple[int, int] | None:
        """Matrix and range by the container where the decoder does not pass them on: of VP8."""
        return self._colours if self.codec == "vp8" else None

    @property
    def declared(self) -> DeclaredTiming | None:
        """Number of pictures and length by the file's header."""
        frames, duration, time_base = self._stream.frames, self._stream.duration, self._stream.time_base
        if not frames or not duration or time_base is None:
            return None
        return DeclaredTiming((time_base.numerator, time_base.denominator), frames, duration)

    @property
    def declared_fps(self) -> float | None:
        """Mean rate by the file's header."""
        return float(self._stream.average_rate) if self._stream.average_rate else None

    def packets(self, first: int, last: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Place and packet from `first` to `last`; fewer if the file ends."""
        self._go_to(first)
        for packet in self._packets:
            place, self._next = self._next, self._next + 1
            if place >= first:
                yield place, packet
            if place >= last:
                return

    def close(self) -> None:
        """Free the file."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        self._container, self._stream = open_stream(self._data, self._media_id)
        self._packets = packets_of(self._container, self._stream)
        self._next = 0
        context = self._stream.codec_context
        self._colours = context.colorspace, context.color_range  # decoding changes them

    def _go_to(self, place: int) -> None:
        """Get to `place` or anywhere before it."""
        if self._next <= place < self._next + _MIN_PACKETS_FOR_SEEK:
            return
        if place > 0 and self._can_seek() and self._seek(place):
            return
        if self._next > place:
            self.close()
            self._open()

    def _can_seek(self) -> bool:
        formats = set(self._container.format.name.split(","))
        return self._table.has_container_times and bool(_FORMATS_WITH_INDEX & formats)

    def _seek(self, place: int) -> bool:
        """Seek to a keyframe; False if the file's index leads behind it or to a packet of unknown place."""
        pts = self._table.pts
        with decode_errors(self._media_id, f"going to the picture of packet {place} fails"):
            self._container.seek(pts[place], stream=self._stream)
            self._packets = packets_of(self._container, self._stream)
            packet = next(self._packets, None)
        self._next = len(pts)
        if packet is None or packet.pts is None or pts.count(packet.pts) != 1:
            return False
        self._next = pts.index(packet.pts)
        self._packets = chain((packet,), self._packets)
        return self._next <= place
