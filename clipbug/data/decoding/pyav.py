"""Decode recordings with PyAV (FFmpeg), decoding only what the requested frames need."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from clipbug.data.decoding.alpha import AlphaStream
from clipbug.data.decoding.base import Closing, FrameBatch, VideoMetadata, check_indices
from clipbug.data.decoding.container import HINT, decode_errors
from clipbug.data.decoding.conversion import PictureConverter, shown_size
from clipbug.data.decoding.integrity import is_start
from clipbug.data.decoding.orientation import Orientation
from clipbug.data.decoding.packet_reader import PacketReader
from clipbug.data.decoding.packets import read_packet_table
from clipbug.data.decoding.picture_sizes import coded_sizes
from clipbug.data.decoding.plan import Stretch, is_before_start, plan_stretches, start_for
from clipbug.data.media import PacketTable
from clipbug.errors import DecodeError


class PyAvDecoder(Closing):
    """Decoder of a recording in memory; frames are converted to what a screen shows (see `conversion`).

    Args:
        data: The file.
        media_id: For messages.
        packets: Packet table; read from the file if None.

    Raises:
        DecodeError: The file is not a recording, or has no frames.
    """

    def __init__(self, data: bytes, *, media_id: str, packets: PacketTable | None = None) -> None:
        self._data = data
        self._media_id = media_id
        self.packets = packets or read_packet_table(data, media_id=media_id)
        self._shown_packets = self.packets.shown_indices()
        self._reader = PacketReader(data, media_id=media_id, table=self.packets)
        self.pts_seconds: NDArray[np.float64] = self.packets.seconds_shown()
        self.metadata = _describe(self.packets, self._reader)
        self._converter = PictureConverter(
            media_id,
            (self.metadata.height, self.metadata.width),
            self._reader.pixel_aspect,
            _orientation(self.packets),
            self._reader.declared_colours,
        )
        self._alpha = AlphaStream(self._reader.codec)

    @property
    def changes(self) -> NDArray[np.uint8]:
        """Return `VideoDecoder.changes`; computed from the file if an older manifest has none."""
        table = self.packets
        if not table.changes:
            table = read_packet_table(self._data, media_id=self._media_id)
        return np.array(table.changes, np.uint8)[self._shown_packets]

    def other_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return (width, height), as shown, of frames unlike the first in size; reads the whole file."""
        coded = coded_sizes(self._data, media_id=self._media_id)
        shown = [_shown_size(size, self.packets, self._reader) for size in coded]
        own = self.metadata.height, self.metadata.width
        return tuple((width, height) for height, width in shown if (height, width) != own)

    def frames_at(self, indices: Sequence[int], *, size: tuple[int, int] | None = None) -> FrameBatch:
        """Decode the frames at `indices`; see `VideoDecoder.frames_at`."""
        check_indices(indices, len(self._shown_packets), media_id=self._media_id)
        packet_indices = [self._shown_packets[index] for index in indices]
        size = size or (self.metadata.height, self.metadata.width)
        pictures = self._decode(set(packet_indices), size)
        data = np.empty((len(packet_indices), *size, 3), np.uint8)
        for row, packet_index in enumerate(packet_indices):
            data[row] = pictures[packet_index]
        return FrameBatch(data, self.pts_seconds[list(indices)])

    def pictures(
        self, indices: Iterable[int], *, size: tuple[int, int]
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield index and image of many frames in display order, holding only one in memory.

        Yields:
            Index and RGB image (H, W, 3).

        Raises:
            DecodeError: A frame cannot be decoded.
        """
        index_of = {self._shown_packets[index]: index for index in sorted(indices)}
        missing = iter(index_of)
        stretch = Stretch(0, max(index_of), frozenset(index_of))
        for packet_index, picture in self._pictures(stretch, size):
            expected = next(missing, None)
            if packet_index != expected:
                error = self._missing_error({packet_index if expected is None else expected})
                raise error
            yield index_of[packet_index], picture
        if left := set(missing):
            error = self._missing_error(left)
            raise error

    def close(self) -> None:
        """Release the file."""
        self._reader.close()

    def _decode(self, wanted: set[int], size: tuple[int, int]) -> dict[int, NDArray[np.uint8]]:
        stretches = plan_stretches(self.packets, wanted)
        pictures: dict[int, NDArray[np.uint8]] = {}
        for stretch in stretches:
            pictures.update(self._pictures(stretch, size))
        missing = wanted - pictures.keys()
        if missing and any(stretch.first for stretch in stretches):
            # Keyframes of some encoders are no clean start; decoding from the beginning yields what follows.
            pictures.update(self._pictures(Stretch(0, max(missing), frozenset(missing)), size))
            missing -= pictures.keys()
        if missing:
            raise self._missing_error(missing)
        return pictures

    def _pictures(self, stretch: Stretch, size: tuple[int, int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield packet index and image of the intact wanted frames of a range."""
        table, codec = self.packets, self._reader.codec
        damaged: set[int] = set()
        is_checked = stretch.first == 0
        times = sorted(map(self._seconds, stretch.wanted))
        what = f"the frames from {times[0]:.3f} s to {times[-1]:.3f} s cannot be decoded"
        with decode_errors(self._media_id, what):
            for packet_index, frame in self._frames(stretch, damaged):
                self._converter.follow(frame)
                if frame.is_corrupt:
                    damaged.add(packet_index)
                if not is_checked and not (
                    packet_index == stretch.first and is_start(frame, codec, is_keyframe=True)
                ):
                    return  # not a keyframe, although the container says so
                is_checked = True
                first = start_for(table, packet_index) if damaged else packet_index
                if packet_index not in stretch.wanted or self._alpha.is_missing(packet_index):
                    continue
                if not any(first <= wrong <= packet_index for wrong in damaged):
                    yield packet_index, self._converter.convert(frame, size, self._alpha.take(packet_index))

    def _frames(self, stretch: Stretch, damaged: set[int]) -> Iterator[tuple[int, VideoFrame]]:
        """Decode a range: all wanted frames, and those that others depend on.

        Adds the indices of packets that the decoder rejects to `damaged`.

        Yields:
            Packet index and decoded frame.
        """
        table = self.packets
        for packet_index, packet in self._reader.packets(stretch.first, stretch.last):
            is_wanted = packet_index in stretch.wanted
            if table.has_container_times and packet.pts != table.pts[packet_index]:
                return  # the table belongs to another file
            if packet_index == stretch.first:
                self._reader.context.flush_buffers()
                self._alpha.restart()
                self._converter.restart()
                is_wanted = True  # some decoders (AV1) read skip_frame once, at the first packet
            elif is_before_start(table, stretch, packet_index):
                continue
            self._reader.context.skip_frame = "DEFAULT" if is_wanted else "NONREF"
            packet.pts = packet_index
            try:
                self._alpha.feed(packet, is_wanted=is_wanted, is_start_known=stretch.first == 0)
                frames = self._reader.context.decode(packet)
            except av.FFmpegError:
                damaged.add(packet_index)
                continue
            yield from ((frame.pts, frame) for frame in frames if frame.pts is not None)
        yield from (
            (frame.pts, frame) for frame in self._reader.context.decode(None) if frame.pts is not None
        )

    def _missing_error(self, missing: set[int]) -> DecodeError:
        times = ", ".join(f"{seconds:.3f}" for seconds in sorted(map(self._seconds, missing)))
        return DecodeError(
            f"{self._media_id}: the decoder returns no frame for the times {times} s;"
            " the file is cut off or damaged there",
            HINT,
        )

    def _seconds(self, packet_index: int) -> float:
        return self.packets.seconds_of(self.packets.pts[packet_index])


def _describe(table: PacketTable, reader: PacketReader) -> VideoMetadata:
    """Return the metadata of a recording from its packet table and header."""
    times = sorted(pts for pts, shown in zip(table.pts, table.is_shown, strict=True) if shown)
    picture_seconds = Fraction(times[-1] - times[0]) * Fraction(*table.time_base)
    duration = table.seconds_of(table.end_pts)
    height, width = _shown_size(table.coded_size or reader.coded_size, table, reader)
    return VideoMetadata(
        codec=reader.codec,
        width=width,
        height=height,
        num_frames=len(times),
        duration_seconds=duration,
        average_fps=float((len(times) - 1) / picture_seconds)
        if picture_seconds
        else 1 / duration
        if duration
        else 0.0,
        rotation_degrees=table.rotation_degrees,
        is_variable_rate=_is_variable(np.diff(times)),
        declared=reader.declared,
        declared_fps=reader.declared_fps,
    )


def _shown_size(coded: tuple[int, int], table: PacketTable, reader: PacketReader) -> tuple[int, int]:
    """Return (height, width), upright and in square pixels."""
    return _orientation(table).size(*shown_size(*coded, reader.pixel_aspect))


def _orientation(table: PacketTable) -> Orientation:
    return Orientation.from_rotation(table.rotation_degrees, is_mirrored=table.is_mirrored)


def _is_variable(steps: NDArray[np.int64]) -> bool:
    """Return whether frame intervals differ by more than 5 % plus rounding to ticks (1 each way)."""
    return len(steps) > 1 and bool(steps.max() - steps.min() > 2 + 0.05 * float(np.median(steps)))
