"""Making a packet table: from the container's times where they are exact, else by decoding it all once."""

from __future__ import annotations  # Packet takes no index at run time

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipbug.data.decoding.changes import changes_by_size
from clipbug.data.decoding.container import HINT, decode_errors, open_container, packets_of
from clipbug.data.decoding.orientation import Orientation, orientation_of
from clipbug.data.media import PacketTable
from clipbug.errors import DecodeError

_FORMATS_WITH_TIMES = {"mov", "matroska", "gif", "apng", "flv", "mpegts"}
_CODECS_WITH_HIDDEN_PACKETS = {"vp8"}
_Shape = tuple[Orientation, tuple[int, int]]


def read_packet_table(data: bytes, *, media_id: str) -> PacketTable:
    """The packet table of a recording, by the cheapest way that is exact for its format.

    Raises:
        DecodeError: the file cannot be read, or holds no picture.
    """
    with (
        open_container(data, media_id) as (container, stream),
        decode_errors(media_id, "its packets cannot be read"),
    ):
        table = _table_from_container(container, stream)
    return table or table_by_decoding(data, media_id=media_id)


def table_by_decoding(data: bytes, *, media_id: str) -> PacketTable:
    """The packet table as decoding the whole recording shows it.

    Raises:
        DecodeError: a picture after the first cannot be decoded, there is none, or the file gives no times.
    """
    packets: list[Packet[VideoStream]] = []
    with open_container(data, media_id) as (container, stream), decode_errors(media_id, "decoding it fails"):
        frames = list(_pictures_by_place(container, stream, packets))
        rate, time_base = stream.average_rate, stream.time_base
        has_own = "avi" not in container.format.name  # libavformat guesses times for AVI, which stores none
    assert time_base is not None, "checked when opened"
    if not frames:
        raise DecodeError(f"{media_id}: no picture can be decoded", HINT)
    (orientation, coded_size), shown = frames[0][1], [place for place, _ in frames]
    times = _times_in_order([packets[place] for place in shown], time_base, rate, has_own=has_own)
    if times is None:
        raise DecodeError(f"{media_id}: the file gives neither times nor a frame rate", HINT)
    pts = np.zeros(len(packets), np.int64)
    pts[shown] = times
    is_shown = np.isin(np.arange(len(packets)), shown).tolist()
    return PacketTable(
        time_base=(time_base.numerator, time_base.denominator),
        pts=tuple(pts.tolist()),
        is_keyframe=tuple(packet.is_keyframe for packet in packets),
        is_shown=tuple(is_shown),
        end_pts=_end_of_last(times, packets[shown[-1]].duration, time_base, rate),
        rotation_degrees=orientation.rotation_degrees,
        has_container_times=False,
        changes=_changes(packets, pts.tolist(), is_shown),
        is_mirrored=orientation.is_mirrored,
        coded_size=coded_size,
    )


def _table_from_container(container: InputContainer, stream: VideoStream) -> PacketTable | None:
    """The table by the container's times, or None where they may differ from what decoding gives."""
    packets, first = [], None
    for packet in packets_of(container, stream):
        first = first or next(iter(stream.codec_context.decode(packet)), None)
        packets.append(packet)
    first = first or next(iter(stream.codec_context.decode(None)), None)
    is_shown = [not packet.is_discard and (packet.pts or 0) >= 0 for packet in packets]
    times = sorted(
        packet.pts
        for packet, shown in zip(packets, is_shown, strict=True)
        if shown and packet.pts is not None
    )
    if first is None or not times or not _are_times_exact(container, stream, packets, times, sum(is_shown)):
        return None
    assert stream.time_base is not None, "checked when opened"
    orientation, coded_size = _shape(first)
    last = next(packet for packet in packets if packet.pts == times[-1])
    pts = [packet.pts or 0 for packet in packets]
    return PacketTable(
        time_base=(stream.time_base.numerator, stream.time_base.denominator),
        pts=tuple(pts),
        is_keyframe=tuple(packet.is_keyframe for packet in packets),
        is_shown=tuple(is_shown),
        end_pts=_end_of_last(times, last.duration, stream.time_base, stream.average_rate),
        rotation_degrees=orientation.rotation_degrees,
        has_container_times=True,
        changes=_changes(packets, pts, is_shown),
        is_mirrored=orientation.is_mirrored,
        coded_size=coded_size,
    )


def _are_times_exact(
    container: InputContainer,
    stream: VideoStream,
    packets: Sequence[Packet[VideoStream]],
    times: Sequence[int],
    num_shown: int,
) -> bool:
    formats = set(container.format.name.split(","))
    return (
        bool(formats & _FORMATS_WITH_TIMES)
        and stream.codec_context.codec.canonical_name not in _CODECS_WITH_HIDDEN_PACKETS
        and all(packet.pts is not None and not packet.is_corrupt for packet in packets)
        and len(set(times)) == num_shown
        and packets[0].is_keyframe
    )


def _pictures_by_place(
    container: InputContainer, stream: VideoStream, packets: list[Packet[VideoStream]]
) -> Iterator[tuple[int, _Shape]]:
    """Place of the packet of each picture in the order of showing, shape of the first; fills `packets`."""
    context, has_started = stream.codec_context, False
    shape: _Shape | None = None  # only of the first: see PictureConverter.follow
    for place, packet in enumerate(packets_of(container, stream)):
        packets.append(packet)
        original, packet.pts = packet.pts, place
        try:
            frames = context.decode(packet)
        except av.FFmpegError:
            if (
                has_started
            ):  # in front of the first keyframe errors are usual: captured streams begin anywhere
                raise
            frames = []
        packet.pts = original
        for frame in frames:
            has_started = True
            assert frame.pts is not None, "set above"
            shape = shape or _shape(frame)
            yield frame.pts, shape
    for frame in context.decode(None):
        assert frame.pts is not None, "set above"
        shape = shape or _shape(frame)
        yield frame.pts, shape


def _times_in_order(
    packets: Sequence[Packet[VideoStream]], time_base: Fraction, rate: Fraction | None, *, has_own: bool
) -> list[int] | None:
    """Times of pictures in the order of showing: their own if they ascend, else of decoding, else by rate."""
    own = [packet.pts for packet in packets if packet.pts is not None and has_own]
    if len(own) == len(packets) and all(a < b for a, b in pairwise(own)):
        return own
    decoding = sorted(packet.dts for packet in packets if packet.dts is not None)
    if len(set(decoding)) == len(packets):
        return decoding
    return [round(place / (rate * time_base)) for place in range(len(packets))] if rate else None


def _changes(
    packets: Sequence[Packet[VideoStream]], pts: Sequence[int], is_shown: Sequence[bool]
) -> tuple[int, ...]:
    """Per packet in decoding order; 0 for those that are not shown."""
    order = sorted((place for place, shown in enumerate(is_shown) if shown), key=pts.__getitem__)
    values = changes_by_size(
        [packets[place].size for place in order], [packets[place].is_keyframe for place in order]
    )
    changes = np.zeros(len(packets), np.int64)
    changes[order] = values
    return tuple(changes.tolist())


def _end_of_last(
    times: Sequence[int], duration: int | None, time_base: Fraction, rate: Fraction | None
) -> int:
    """When the last picture ends: by its own duration, else it stays as long as is usual in the recording."""
    if duration:
        return times[-1] + duration
    if len(times) > 1:
        return times[-1] + round(float(np.median(np.diff(times))))
    return times[-1] + (round(1 / (rate * time_base)) if rate else 0)


def _shape(frame: VideoFrame) -> _Shape:
    """How a picture lies, and its (height, width) as stored."""
    return orientation_of(frame) or Orientation(), (frame.height, frame.width)
