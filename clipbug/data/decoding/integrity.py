"""Decode a whole recording once to find intact frames and the packets at which decoding may start."""

from __future__ import annotations  # Packet is not subscriptable at run time

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from clipbug.data.decoding.demuxing import Contents

# In these codecs an intra frame is not necessarily a point at which decoding can start.
_CODECS_WITH_OTHER_INTRA_PICTURES = {"h264", "hevc", "vvc", "vp9", "av1", "libdav1d"}
_CODECS_WITHOUT_OWN_KEYFRAMES = {"apng"}  # its decoder reports all frames as keyframes
# Their decoders report missing parts of a frame.
_CODECS_THAT_REPORT_DAMAGE = {"h264", "mpeg1video", "mpeg2video", "mpeg4"}
# Valid data never has this many zeros in a row; a run means that a block was never written or downloaded.
_HOLES = {
    "h264": re.compile(rb"\0{16,}[^\0]|\0{32,}"),
    "hevc": re.compile(rb"\0{16,}[^\0]|\0{32,}"),
    "mpeg4": re.compile(rb"\0{48,}"),
    "vp8": re.compile(rb"\0{48,}"),
    "vp9": re.compile(rb"\0{48,}"),
    "av1": re.compile(rb"\0{48,}"),
}


@dataclass(slots=True)
class Decoded:
    """Result of decoding a recording; packets are identified by their index in the stream.

    Attributes:
        order: Indices of all frames in display order, including hidden and damaged ones.
        starts: Indices at which decoding may start.
        damaged: Indices of damaged packets.
        first: The first frame.
    """

    order: list[int] = field(default_factory=list)
    starts: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)
    first: VideoFrame | None = None


def is_start(frame: VideoFrame, codec: str, *, is_keyframe: bool) -> bool:
    """Return whether decoding may start at this frame, by the decoder first and the container second.

    Args:
        frame: Decoded frame.
        codec: Canonical codec name.
        is_keyframe: Whether the container marks the packet as a keyframe.

    Returns:
        Whether decoding may start here.
    """
    if frame.is_corrupt:
        return False
    if codec in _CODECS_WITHOUT_OWN_KEYFRAMES or frame.pict_type == PictureType.NONE:
        return is_keyframe
    is_intra = frame.pict_type == PictureType.I and codec not in _CODECS_WITH_OTHER_INTRA_PICTURES
    return bool(frame.key_frame) or (is_keyframe and is_intra)


def has_hole(packet: Packet[VideoStream], codec: str) -> bool:
    """Return whether a part of a packet was never written, which not every decoder notices."""
    hole = _HOLES.get(codec)
    return hole is not None and hole.search(memoryview(packet)) is not None


def decode_all(context: VideoCodecContext, contents: Contents) -> Decoded:
    """Decode every packet; record and skip those that cannot be decoded."""
    codec = context.codec.canonical_name
    decoded = Decoded(damaged={packet_index - 1 for packet_index in contents.lost_before if packet_index})
    if contents.missing and contents.packets and not contents.formats & {"mov", "matroska", "avi"}:
        decoded.damaged.add(len(contents.packets) - 1)  # other containers drop a truncated packet
    for packet_index, packet in enumerate(contents.packets):
        if has_hole(packet, codec):
            decoded.damaged.add(packet_index)
        try:
            frames = context.decode(_with_index_as_pts(packet, packet_index))
        except av.FFmpegError:
            decoded.damaged.add(packet_index)
            continue
        _record_frames(frames, contents, codec, decoded)
    with suppress(av.FFmpegError):  # frames that do not come out of this flush count as missing
        _record_frames(context.decode(None), contents, codec, decoded)
    for packet_index, packet in enumerate(contents.packets):
        # Where recordings were joined, the container's clock restarts, which looks like packet loss.
        is_join = codec in _CODECS_THAT_REPORT_DAMAGE and bool(
            decoded.starts & {packet_index + 1, packet_index + 2}
        )
        if packet.is_corrupt and not is_join:
            decoded.damaged.add(packet_index)
    decoded.starts -= decoded.damaged
    if codec == "h264" and (recovered := _first_recovered(decoded, contents)) is not None:
        decoded.starts.add(recovered)
    return decoded


def intact_packets(decoded: Decoded, contents: Contents) -> set[int]:
    """Return the indices of intact frames, whose packets and references are all undamaged.

    Damage extends to the next keyframe, and to the frames that are decoded after that but shown before it.
    AVI counts frames instead of storing times, so nothing after a loss has a known time.

    Args:
        decoded: Result of decoding the recording.
        contents: Packets of the recording.

    Returns:
        Packet indices.
    """
    is_avi, num_known = "avi" in contents.formats, len(contents.packets)
    if is_avi and contents.lost_before:
        num_known = max(min(contents.lost_before) - 1, 0)
    rank = {packet_index: number for number, packet_index in enumerate(decoded.order)}
    intact: set[int] = set()
    starts: list[int] = []
    last_damaged = -1
    for packet_index in range(num_known):
        is_good = packet_index in rank and packet_index not in decoded.damaged
        if packet_index in decoded.starts:
            starts.append(packet_index)
        if packet_index in decoded.damaged:
            last_damaged = packet_index
        if is_good and starts:
            is_leading = rank[packet_index] < rank[starts[-1]]
            start = starts[-2] if is_leading and len(starts) > 1 else starts[-1]
            if last_damaged < start and not (is_leading and len(starts) == 1):
                intact.add(packet_index)
    if (
        is_avi
        and (contents.missing or contents.lost_before)
        and any(rank[packet_index] != packet_index for packet_index in intact)
    ):
        intact -= {max(intact, key=rank.__getitem__)}  # frames that are shown before it may be lost
    return intact


def _first_recovered(decoded: Decoded, contents: Contents) -> int | None:
    """Return the first frame of an H.264 stream that starts in the middle of a refresh without keyframes.

    The decoder withholds frames before the recovery point, unless it has seen a keyframe.

    Returns:
        Packet index, or None if a keyframe was lost or nothing was decoded.
    """
    recovered = min(set(decoded.order) - decoded.damaged, default=None)
    is_lost = any(
        contents.packets[packet_index].is_keyframe
        for packet_index in decoded.damaged
        if packet_index < (recovered or 0)
    )
    return None if is_lost else recovered


def _record_frames(frames: list[VideoFrame], contents: Contents, codec: str, decoded: Decoded) -> None:
    for frame in frames:
        packet_index = frame.pts
        if packet_index is None or packet_index in decoded.order[-32:]:
            continue
        decoded.order.append(packet_index)
        decoded.first = decoded.first or frame
        if frame.is_corrupt:
            decoded.damaged.add(packet_index)
        elif is_start(frame, codec, is_keyframe=contents.packets[packet_index].is_keyframe):
            decoded.starts.add(packet_index)


def _with_index_as_pts(packet: Packet[VideoStream], packet_index: int) -> Packet[VideoStream]:
    """Return the packet with its index as its time; copy a hidden packet so that it yields its frame too."""
    copy = cast("Packet[VideoStream]", Packet(bytes(packet))) if packet.is_discard else packet
    copy.pts = packet_index
    return copy
