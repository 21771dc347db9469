"""Build packet tables from the container's timestamps where these are exact, else by decoding."""

from __future__ import annotations  # Packet is not subscriptable at run time

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
from clipbug.data.decoding.integrity import decode_all, has_hole, intact_packets, is_start
from clipbug.data.decoding.orientation import Orientation, orientation_of
from clipbug.data.media import PacketTable
from clipbug.errors import DecodeError

_FORMATS_WITH_TIMES = {"mov", "matroska", "gif", "apng", "flv", "mpegts"}
_CODECS_WITH_HIDDEN_PACKETS = {"vp8"}
_ROUNDING_SECONDS = Fraction(2, 1000)  # headers round durations to milliseconds


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Which packets yield frames, and when.

    Attributes:
        times: Time in ticks of each shown frame, by packet index.
        starts: Packet indices at which decoding may start.
        first: Any of the frames, for its rotation.
    """

    times: dict[int, int]
    starts: set[int]
    first: VideoFrame


def read_packet_table(data: bytes, *, media_id: str) -> PacketTable:
    """Read the packet table of a recording by the cheapest method that is exact for its format.

    Trusts the container about keyframes and the absence of damage; a decoder detects errors when it reaches
    them.

    Args:
        data: The file.
        media_id: For messages.

    Returns:
        The packet table.

    Raises:
        DecodeError: The file cannot be read, or has no frames.
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
    """Build the packet table by decoding the whole recording, leaving out damaged frames.

    Args:
        data: The file.
        media_id: For messages.

    Returns:
        The packet table.

    Raises:
        DecodeError: No frame is intact, or the file has no times.
    """
    with open_container(data, media_id) as (container, stream), decode_errors(media_id, "decoding failed"):
        stream.codec_context.options = {"skip_loop_filter": "all"}  # faster; only their times matter here
        codec = stream.codec_context.codec.canonical_name
        contents = read_contents(container, stream, data)
        decoded = decode_all(stream.codec_context, contents)
        intact = intact_packets(decoded, contents)
        hidden = contents.hidden
        shown = [
            packet_index
            for packet_index in decoded.order
            if packet_index in intact and packet_index not in hidden
        ]
        if not shown or decoded.first is None:
            error = _no_picture_error(media_id, contents, has_start=bool(decoded.starts))
            raise error
        time_of = _own_times(contents, shown)
        if time_of is None:
            visible = [packet_index for packet_index in decoded.order if packet_index not in hidden]
            times = _times_in_order(contents, visible, stream)
            if times is None:
                raise DecodeError(f"{media_id}: the file has neither timestamps nor a frame rate", HINT)
            time_of = {
                packet_index: time
                for packet_index, time in zip(visible, times, strict=True)
                if packet_index in intact
            }
        is_whole = not contents.missing and not contents.lost_before
        has_own = is_whole and _are_times_exact(contents, codec, shown)
        has_own = has_own and all(
            time_of[packet_index] == contents.pts[packet_index] for packet_index in shown
        )
        pictures = _Pictures(time_of, decoded.starts, decoded.first)
        table = _table(contents, stream, pictures, has_container_times=has_own)
        before_start = min(decoded.starts, default=0)
        wrong = {*decoded.order, *decoded.damaged, *range(before_start)} - intact - hidden
    return replace(table, damage=_damage(table, contents, wrong, before_start))


def _pictures_by_container(contents: Contents, stream: VideoStream) -> _Pictures | None:
    """Return the frames by the container's times, or None where decoding may yield other frames."""
    context, packets = stream.codec_context, contents.packets
    shown = [packet_index for packet_index in range(len(packets)) if packet_index not in contents.hidden]
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
    times = {packet_index: packets[packet_index].pts or 0 for packet_index in shown}
    starts = {packet_index for packet_index, packet in enumerate(packets) if packet.is_keyframe}
    return _Pictures(times, starts, first)


def _are_times_exact(contents: Contents, codec: str, shown: Sequence[int]) -> bool:
    """Return whether a packet can be identified by its time."""
    return (
        bool(contents.formats & _FORMATS_WITH_TIMES)
        and codec not in _CODECS_WITH_HIDDEN_PACKETS
        and not contents.has_jumps
        and all(time is not None for time in contents.pts)
        and len({contents.pts[packet_index] for packet_index in shown}) == len(shown)
    )


def _table(
    contents: Contents, stream: VideoStream, pictures: _Pictures, *, has_container_times: bool
) -> PacketTable:
    time_base = stream.time_base
    assert time_base is not None, "checked when opened"
    num_packets = len(contents.packets)
    pts = [time or 0 for time in contents.pts] if has_container_times else [0] * num_packets
    for packet_index, time in pictures.times.items():
        pts[packet_index] = time
    is_shown = [packet_index in pictures.times for packet_index in range(num_packets)]
    times = sorted(pictures.times.values())
    last = max(pictures.times, key=pts.__getitem__)
    end = _end_of_last(times, contents.packets[last].duration, time_base, stream.average_rate)
    others_end = contents.end_seconds
    if others_end is not None and not contents.missing and others_end > end * time_base + _ROUNDING_SECONDS:
        end = round(others_end / time_base)  # the last frame is held
    orientation = orientation_of(pictures.first) or Orientation()
    return PacketTable(
        time_base=(time_base.numerator, time_base.denominator),
        pts=tuple(pts),
        is_keyframe=tuple(packet_index in pictures.starts for packet_index in range(num_packets)),
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
    """Return the container's times of frames; None if it has none, or they do not increase."""
    times = [pts for packet_index in shown if (pts := contents.pts[packet_index]) is not None]
    # AVI stores no times, so libavformat guesses them.
    if "avi" in contents.formats or len(times) != len(shown) or times != sorted(times):
        return None
    return dict(zip(shown, times, strict=True))


def _times_in_order(contents: Contents, shown: Sequence[int], stream: VideoStream) -> list[int] | None:
    """Return the times of frames in display order: their own, else those of decoding, else by frame rate."""
    own = [pts for packet_index in shown if (pts := contents.pts[packet_index]) is not None]
    if len(own) == len(shown) and "avi" not in contents.formats:
        return sorted(own)  # unsorted times mean that a muxer confused decoding and presentation times
    decoding = sorted(dts for packet_index in shown if (dts := contents.dts[packet_index]) is not None)
    if len(set(decoding)) == len(shown):
        return decoding
    rate, time_base = stream.average_rate, stream.time_base
    if not rate or time_base is None:
        return None
    return [round(number / (rate * time_base)) for number in range(len(shown))]


def _changes(sizes: Sequence[int], pictures: _Pictures, pts: Sequence[int]) -> tuple[int, ...]:
    """Return the change at each packet in decoding order; 0 for packets that are not shown."""
    order = sorted(pictures.times, key=pts.__getitem__)
    changes = np.zeros(len(sizes), np.int64)
    changes[order] = changes_by_size(
        [sizes[packet_index] for packet_index in order],
        [packet_index in pictures.starts for packet_index in order],
    )
    return tuple(changes.tolist())


def _end_of_last(
    times: Sequence[int], duration: int | None, time_base: Fraction, rate: Fraction | None
) -> int:
    """Return when the last frame ends: by its own duration, else by the recording's median interval."""
    if duration:
        return times[-1] + duration
    if len(times) > 1:
        return times[-1] + round(float(np.median(np.diff(times))))
    return times[-1] + (round(1 / (rate * time_base)) if rate else 0)


def _damage(table: PacketTable, contents: Contents, wrong: set[int], before_start: int) -> str:
    """Describe what of a recording cannot be decoded; empty if it is intact."""
    zero, (numerator, denominator) = table.zero_pts or 0, table.time_base
    parts = []
    if contents.missing:
        last = max(time for time, shown in zip(table.pts, table.is_shown, strict=True) if shown)
        end = (last - zero) * numerator / denominator
        parts.append(f"the file is cut off: {contents.missing}; the last frame is at {end:.3f} s")
    if before_start and not any(packet.is_keyframe for packet in contents.packets[:before_start]):
        parts.append(f"the first {before_start} frames precede the first keyframe and are left out")
        wrong = {packet_index for packet_index in wrong if packet_index >= before_start}
    known = [contents.pts[packet_index] for packet_index in wrong]
    seconds = sorted((time - zero) * numerator / denominator for time in known if time is not None)
    if wrong:
        between = f" between {max(seconds[0], 0):.3f} s and {seconds[-1]:.3f} s" if seconds else ""
        parts.append(f"{len(wrong)} of {len(contents.packets)} frames{between} are damaged and left out")
    if contents.lost_before and not contents.missing:
        parts.append("more are lost there" if wrong else "the container is damaged, frames may be lost")
    return "; ".join(parts)


def _no_picture_error(media_id: str, contents: Contents, *, has_start: bool) -> DecodeError:
    if not contents.packets:
        reason = "it has no frames"
    elif not has_start:
        reason = "it has no keyframe at which decoding can start"
    else:
        reason = "no frame can be decoded because its keyframes are damaged"
    if contents.missing:
        reason = f"the file is cut off, {contents.missing}; {reason}"
    return DecodeError(f"{media_id}: {reason}", "Copy or record it again.")
