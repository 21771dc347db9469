"""Read all packets of a recording: those of its frames, and those that its clock and duration depend on."""

from __future__ import annotations  # Packet is not subscriptable at run time

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import av.logging
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from clipbug.data.decoding.content import count_missing_bytes
from clipbug.data.decoding.edits import Edit, unusual_edits

# Their clock starts at 0 whatever comes first; the clock of other formats starts at the first packet.
_FORMATS_FROM_ZERO = {"mov", "matroska", "avi", "gif", "apng"}
# Their headers state the duration of the whole recording, counted from 0.
_FORMATS_WITH_LENGTH = {"mov", "matroska", "avi", "flv", "asf"}
_TRANSPORT_PACKET_SIZES = (188, 192, 204)
_SYNC = 0x47
_M2TS_PREFIX = 4
_FLV_TAGS = (8, 9, 18)  # audio, video, data
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_LONGEST_GAP_TICKS = 10 * 90_000  # a longer gap at a clock wrap is treated as two joined recordings
_CLOCK_TICKS = 2**33
_LARGEST_STEP_TICKS = _CLOCK_TICKS // 2


@dataclass(frozen=True, slots=True)
class Contents:
    """The packets of a recording.

    Attributes:
        formats: Names of the container format.
        packets: Packets of the video stream, in decoding order.
        pts: Presentation times, continuous where the file's clock jumps; None where the file has none.
        dts: Decoding times, likewise.
        has_jumps: Whether the file's times had to be corrected.
        hidden: Indices of packets whose frames an edit list hides.
        zero_seconds: The time at which a player's clock shows 0.
        end_seconds: When the audio, or the recording according to its header, ends; None if unknown.
        lost_before: Indices of packets before which the container is damaged.
        missing: Human-readable description of what is missing from the file; empty if nothing is known to be.
    """

    formats: frozenset[str]
    packets: list[Packet[VideoStream]]
    pts: list[int | None]
    dts: list[int | None]
    has_jumps: bool
    hidden: frozenset[int]
    zero_seconds: Fraction
    end_seconds: Fraction | None
    lost_before: frozenset[int]
    missing: str


def read_contents(container: InputContainer, stream: VideoStream, data: bytes) -> Contents:
    """Read all packets; stop where the container becomes unreadable, and describe that in `missing`."""
    packets: list[Packet[VideoStream]] = []
    first_seconds: list[Fraction] = []
    ends: list[Fraction] = []
    lost_before: set[int] = set()
    missing = _missing_end(container, data)
    with _counted_errors() as errors:
        streams = [stream, *container.streams.audio]
        try:
            for packet in container.demux(streams):
                if errors and (packet.size or not missing):
                    lost_before.add(len(packets))
                    errors.clear()
                if not packet.size:  # PyAV's end marker, or a dropped frame in AVI
                    continue
                if packet.stream_index == stream.index:
                    packets.append(cast("Packet[VideoStream]", packet))
                elif packet.pts is not None:
                    ends.append((packet.pts + (packet.duration or 0)) * packet.time_base)
                if packet.pts is not None and not packet.is_discard:
                    first_seconds.append(packet.pts * packet.time_base)
        except av.FFmpegError as error:
            missing = missing or f"the container cannot be read to its end: {error.strerror}"
    formats = frozenset(container.format.name.split(","))
    lost_before |= _packets_after(_broken_at(container.format.name, data), packets)
    pts, dts, has_jumps = _continuous(packets, is_fixed=bool(formats & _FORMATS_FROM_ZERO))
    hidden = {packet_index for packet_index, packet in enumerate(packets) if packet.is_discard}
    if edits := unusual_edits(data):
        pts, has_jumps, ends = _edited(packets, edits), True, [edits[-1].start_seconds + edits[-1].seconds]
        hidden = {packet_index for packet_index, time in enumerate(pts) if time is None}
    elif has_jumps:
        ends = []
    elif formats & _FORMATS_WITH_LENGTH and container.duration:
        ends.append(Fraction(container.duration, av.time_base))
    return Contents(
        formats=formats,
        packets=packets,
        pts=pts,
        dts=dts,
        has_jumps=has_jumps,
        hidden=frozenset(hidden),
        zero_seconds=_zero(formats, stream, first_seconds),
        end_seconds=max(ends, default=None),
        lost_before=frozenset(lost_before),
        missing=missing,
    )


@contextmanager
def _counted_errors() -> Iterator[list[tuple[int, str, str]]]:
    """Collect FFmpeg's error messages in this thread, the only report of damage in Matroska files."""
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as errors:
            yield errors
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)


def _edited(packets: list[Packet[VideoStream]], edits: list[Edit]) -> list[int | None]:
    """Return presentation times by the edit list, in ticks; None for packets that it does not show."""
    times: list[int | None] = []
    for packet in packets:
        starts = (edit.shown_at(packet.pts or 0, packet.duration or 1) for edit in edits)
        shown = next((start for start in starts if start is not None), None)
        times.append(None if shown is None else round(shown / packet.time_base))
    return times


def _zero(formats: frozenset[str], stream: VideoStream, first_seconds: list[Fraction]) -> Fraction:
    """Return the zero of a player's clock; for a fragmented mp4, cut from a stream, its first packet."""
    is_fragmented = "mov" in formats and not stream.frames
    if formats & _FORMATS_FROM_ZERO and not is_fragmented:
        return Fraction(0)
    return min(first_seconds, default=Fraction(0))


def _continuous(
    packets: list[Packet[VideoStream]], *, is_fixed: bool
) -> tuple[list[int | None], list[int | None], bool]:
    """Make decoding times increase: where the clock jumps back (or wraps), continue from the last time.

    Recordings that were concatenated, or cut from a broadcast, have such clocks.

    Args:
        packets: Packets in decoding order.
        is_fixed: Whether the format's clock cannot jump.

    Returns:
        Presentation times, decoding times, and whether any had to be corrected.
    """
    pts, dts = [packet.pts for packet in packets], [packet.dts for packet in packets]
    if is_fixed:
        return pts, dts, False
    shift, step = 0, 0
    before: int | None = None
    has_jumps = False
    for packet_index, packet in enumerate(packets):
        if packet.dts is None:
            continue
        change = 0 if before is None else packet.dts + shift - before
        if 0 <= change < _LARGEST_STEP_TICKS:
            step = change or step
        else:
            has_jumps = True
            wrapped = change % _CLOCK_TICKS
            shift += wrapped - change if wrapped < _LONGEST_GAP_TICKS else step - change
        before = packet.dts + shift
        dts[packet_index] = before
        pts[packet_index] = None if packet.pts is None else packet.pts + shift
    return pts, dts, has_jumps


def _missing_end(container: InputContainer, data: bytes) -> str:
    missing = count_missing_bytes(data)
    if container.format.name == "mpegts":
        size, start = _transport_packets(data)
        start -= _M2TS_PREFIX if size == _M2TS_PREFIX + _TRANSPORT_PACKET_SIZES[0] else 0
        missing = -(len(data) - start) % size if size else 0
    elif container.format.name == "flv":
        missing = max(0, _walk_flv(data)[0] - len(data))
    elif container.format.name == "asf":
        start = data.find(_ASF_PROPERTIES) + 40
        missing = max(int.from_bytes(data[start : start + 8], "little") - len(data), 0)
    return f"{missing} or more bytes of its end are missing" if missing else ""


def _broken_at(name: str, data: bytes) -> list[int]:
    """Return the byte positions at which the structure of a container is broken."""
    if name == "mpegts":
        size, start = _transport_packets(data)
        syncs = data[start::size] if size else b""
        return [start + number * size for number, byte in enumerate(syncs) if byte != _SYNC]
    if name == "avi":
        return _walk_avi(data)
    if name == "flv":
        end, is_broken = _walk_flv(data)
        return [end] if is_broken else []
    return []


def _packets_after(positions: list[int], packets: list[Packet[VideoStream]]) -> set[int]:
    """Return the indices of the packets that follow the byte positions at which the file is broken."""
    starts = [-1 if packet.pos is None else packet.pos for packet in packets]
    return {bisect_right(starts, position) for position in positions}


def _transport_packets(data: bytes) -> tuple[int, int]:
    """Return packet size and start of the first packet of a transport stream; zeros if unknown."""
    for size in _TRANSPORT_PACKET_SIZES:
        for start in range(size):
            if data[start : start + 4 * size : size] == bytes([_SYNC]) * 4:
                return size, start
    return 0, 0


def _walk_flv(data: bytes) -> tuple[int, bool]:
    """Walk the tags of an FLV file.

    A tag has an 11-byte header, its content, and 4 bytes that repeat the length.

    Returns:
        Where the last tag ends, and whether something other than a tag follows.
    """
    position = int.from_bytes(data[5:9], "big") + 4
    while position < len(data):
        if data[position] not in _FLV_TAGS:
            return position, True
        position += 15 + int.from_bytes(data[position + 1 : position + 4], "big")
    return position, False


def _walk_avi(data: bytes) -> list[int]:
    """Return the position at which a chunk should begin but none does, if there is one."""
    position = 12
    while position + 8 <= len(data):
        name, size = (
            data[position : position + 4],
            int.from_bytes(data[position + 4 : position + 8], "little"),
        )
        if not re.fullmatch(rb"[A-Za-z0-9_ ]{4}", name):
            return [position]
        position += 12 if name in (b"LIST", b"RIFF") else 8 + size + size % 2
    return []
