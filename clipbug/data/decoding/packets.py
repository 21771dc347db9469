"""Making a packet table: from the container's times where they are exact, else by decoding it all once."""

from __future__ import annotations  # Packet takes no index at run time

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipbug.data.decoding.changes import changes_by_size
from clipbug.data.decoding.container import HINT, decode_errors, open_container
from clipbug.data.decoding.demuxing import Contents, read_contents
from clipbug.data.decoding.integrity import decode_all, has_hole, is_start, right_places
from clipbug.data.decoding.orientation import Orientation, orientation_of
from clipbug.data.media import PacketTable
from clipbug.errors import DecodeError

_FORMATS_WITH_TIMES = {"mov", "matroska", "gif", "apng", "flv", "mpegts"}
_CODECS_WITH_HIDDEN_PACKETS = {"vp8"}
_ROUNDING_SECONDS = Fraction(2, 1000)  # headers round lengths to milliseconds


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Which packets give pictures, and when.

    Attributes:
        times: of the pictures that are shown, by place, in ticks.
        starts: places at which decoding may start.
        first: any of them, for its rotation.
    """

    times: dict[int, int]
    starts: set[int]
    first: VideoFrame


def read_packet_table(data: bytes, *, media_id: str) -> PacketTable:
    """The packet table of a recording, by the cheapest way that is exact for its format.

    It takes the container's word for where decoding may start and that nothing is damaged; a decoder finds
    out when it comes there.

    Raises:
        DecodeError: the file cannot be read, or holds no picture.
    """
    with (
        open_container(data, media_id) as (container, stream),
        decode_errors(media_id, "its packets cannot be read"),
    ):
        contents = read_contents(container, stream, data)
        pictures = _pictures_by_container(contents, stream)
        if pictures is not None:
            return _table(contents, stream, pictures, has_container_times=True)
    return table_by_decoding(data, media_id=media_id)


def table_by_decoding(data: bytes, *, media_id: str) -> PacketTable:
    """The packet table as decoding the whole recording shows it, without the pictures that are damaged.

    Raises:
        DecodeError: no picture comes out right, or the file gives no times.
    """
    with open_container(data, media_id) as (container, stream), decode_errors(media_id, "decoding it fails"):
        stream.codec_context.options = {"skip_loop_filter": "all"}  # nobody sees these pictures
        codec = stream.codec_context.codec.canonical_name
        contents = read_contents(container, stream, data)
        decoded = decode_all(stream.codec_context, contents)
        right = right_places(decoded, contents)
        hidden = contents.hidden
        shown = [place for place in decoded.order if place in right and place not in hidden]
        if not shown or decoded.first is None:
            raise _no_picture_error(media_id, contents, has_start=bool(decoded.starts))
        time_of = _own_times(contents, shown)
        if time_of is None:
            visible = [place for place in decoded.order if place not in hidden]
            times = _times_in_order(contents, visible, stream)
            if times is None:
                raise DecodeError(f"{media_id}: the file gives neither times nor a frame rate", HINT)
            time_of = {place: time for place, time in zip(visible, times, strict=True) if place in right}
        is_whole = not contents.missing and not contents.lost_before
        has_own = is_whole and _are_times_exact(contents, codec, shown)
        has_own = has_own and all(time_of[place] == contents.pts[place] for place in shown)
        pictures = _Pictures(time_of, decoded.starts, decoded.first)
        table = _table(contents, stream, pictures, has_container_times=has_own)
        before_start = min(decoded.starts, default=0)
        wrong = {*decoded.order, *decoded.damaged, *range(before_start)} - right - hidden
    return replace(table, damage=_damage(table, contents, wrong, before_start))


def _pictures_by_container(contents: Contents, stream: VideoStream) -> _Pictures | None:
    """The pictures by the container's times, or None where they may differ from what decoding gives."""
    context, packets = stream.codec_context, contents.packets
    shown = [place for place in range(len(packets)) if place not in contents.hidden]
    codec = context.codec.canonical_name
    is_whole = not contents.missing and not contents.lost_before
    if not is_whole or not shown or not _are_times_exact(contents, codec, shown):
        return None
    is_damaged = any(packet.is_corrupt or has_hole(packet, codec) for packet in packets)
    if not packets[0].is_keyframe or is_damaged:
        return None
    try:
        frames = (frame for packet in [*packets, None] for frame in context.decode(packet))
        first = next(frames, None)
    except av.FFmpegError:
        return None
    if first is None or not (packets[0].is_discard or is_start(first, codec, is_keyframe=True)):
        return None
    times = {place: packets[place].pts or 0 for place in shown}
    starts = {place for place, packet in enumerate(packets) if packet.is_keyframe}
    return _Pictures(times, starts, first)


def _are_times_exact(contents: Contents, codec: str, shown: Sequence[int]) -> bool:
    """Whether a packet is known by its time."""
    return (
        bool(contents.formats & _FORMATS_WITH_TIMES)
        and codec not in _CODECS_WITH_HIDDEN_PACKETS
        and not contents.has_jumps
        and all(time is not None for time in contents.pts)
        and len({contents.pts[place] for place in shown}) == len(shown)
    )


def _table(
    contents: Contents, stream: VideoStream, pictures: _Pictures, *, has_container_times: bool
) -> PacketTable:
    time_base = stream.time_base
    assert time_base is not None, "checked when opened"
    num_packets = len(contents.packets)
    pts = [time or 0 for time in contents.pts] if has_container_times else [0] * num_packets
    for place, time in pictures.times.items():
        pts[place] = time
    is_shown = [place in pictures.times for place in range(num_packets)]
    times = sorted(pictures.times.values())
    last = max(pictures.times, key=pts.__getitem__)
    end = _end_of_last(times, contents.packets[last].duration, time_base, stream.average_rate)
    others_end = contents.end_seconds
    if others_end is not None and not contents.missing and others_end > end * time_base + _ROUNDING_SECONDS:
        end = round(others_end / time_base)  # the last picture is held
    orientation = orientation_of(pictures.first) or Orientation()
    return PacketTable(
        time_base=(time_base.numerator, time_base.denominator),
        pts=tuple(pts),
        is_keyframe=tuple(place in pictures.starts for place in range(num_packets)),
        is_shown=tuple(is_shown),
        end_pts=end,
        rotation_degrees=orientation.rotation_degrees,
        has_container_times=has_container_times,
        changes=_changes([packet.size for packet in contents.packets], pictures, pts),
        is_mirrored=orientation.is_mirrored,
        coded_size=(pictures.first.height, pictures.first.width),
        zero_pts=min(round(contents.zero_seconds / time_base), times[0]),
    )


def _own_times(contents: Contents, shown: Sequence[int]) -> dict[int, int] | None:
    """Times of pictures by the container; None if it gives none, or they do not rise."""
    times = [pts for place in shown if (pts := contents.pts[place]) is not None]
    # libavformat guesses times for AVI, which stores none
    if "avi" in contents.formats or len(times) != len(shown) or times != sorted(times):
        return None
    return dict(zip(shown, times, strict=True))


def _times_in_order(contents: Contents, shown: Sequence[int], stream: VideoStream) -> list[int] | None:
    """Times of pictures in the order of showing: their own sorted, else those of decoding, else by rate."""
    own = [pts for place in shown if (pts := contents.pts[place]) is not None]
    if len(own) == len(shown) and "avi" not in contents.formats:
        return sorted(own)  # where they do not rise, a writer has mixed up times of decoding and of showing
    decoding = sorted(dts for place in shown if (dts := contents.dts[place]) is not None)
    if len(set(decoding)) == len(shown):
        return decoding
    rate, time_base = stream.average_rate, stream.time_base
    if not rate or time_base is None:
        return None
    return [round(number / (rate * time_base)) for number in range(len(shown))]


def _changes(sizes: Sequence[int], pictures: _Pictures, pts: Sequence[int]) -> tuple[int, ...]:
    """Per packet in decoding order; 0 for those that are not shown."""
    order = sorted(pictures.times, key=pts.__getitem__)
    changes = np.zeros(len(sizes), np.int64)
    changes[order] = changes_by_size(
        [sizes[place] for place in order], [place in pictures.starts for place in order]
    )
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


def _damage(table: PacketTable, contents: Contents, wrong: set[int], before_start: int) -> str:
    """What of a recording cannot be read, for people; empty if all of it can be."""
    zero, (numerator, denominator) = table.zero_pts or 0, table.time_base
    parts = []
    if contents.missing:
        last = max(time for time, shown in zip(table.pts, table.is_shown, strict=True) if shown)
        end = (last - zero) * numerator / denominator
        parts.append(f"the file is cut off: {contents.missing}; its last picture is that of {end:.3f} s")
    if before_start and not any(packet.is_keyframe for packet in contents.packets[:before_start]):
        parts.append(f"its first {before_start} pictures come before the first keyframe and are left out")
        wrong = {place for place in wrong if place >= before_start}
    known = [contents.pts[place] for place in wrong]
    seconds = sorted((time - zero) * numerator / denominator for time in known if time is not None)
    if wrong:
        between = f" between {max(seconds[0], 0):.3f} s and {seconds[-1]:.3f} s" if seconds else ""
        parts.append(f"{len(wrong)} of {len(contents.packets)} pictures{between} are damaged and left out")
    if contents.lost_before and not contents.missing:
        parts.append("others are lost there" if wrong else "the container is damaged, pictures may be lost")
    return "; ".join(parts)


def _no_picture_error(media_id: str, contents: Contents, *, has_start: bool) -> DecodeError:
    if not contents.packets:
        reason = "it holds no picture"
    elif not has_start:
        reason = "it holds no keyframe, with which decoding can start"
    else:
        reason = "no picture can be decoded, its keyframes are damaged"
    if contents.missing:
        reason = f"the file is cut off, {contents.missing}; {reason}"
    return DecodeError(f"{media_id}: {reason}", "Copy or record it again.")
