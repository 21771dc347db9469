"""Decode all of a recording once: which pictures come out right, and where decoding may start."""

from __future__ import annotations  # Packet takes no index at run time

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

# Pictures in them that need no other need not be pictures from which others can be decoded.
_CODECS_WITH_OTHER_INTRA_PICTURES = {"h264", "hevc", "vvc", "vp9", "av1", "libdav1d"}
_CODECS_WITHOUT_OWN_KEYFRAMES = {"apng"}  # its decoder calls all pictures keyframes
# Their decoders tell when a part of a picture is missing.
_CODECS_THAT_NOTICE = {"h264", "mpeg1video", "mpeg2video", "mpeg4"}
# Their bytes never hold so many zeros in a row, unless a block was never written to the disk or fetched.
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
    """What came out of the decoder, by the place of the packet in the stream.

    Attributes:
        order: places of all pictures in the order of showing, hidden and wrong ones included.
        starts: places at which decoding may start.
        damaged: places whose packets are damaged.
        first: the first picture.
    """

    order: list[int] = field(default_factory=list)
    starts: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)
    first: VideoFrame | None = None


def is_start(frame: VideoFrame, codec: str, *, is_keyframe: bool) -> bool:
    """Whether decoding may start with this picture, by the decoder and only then by the container.

    Args:
        codec: canonical name of the compression.
        is_keyframe: what the container says.
    """
    if frame.is_corrupt:
        return False
    if codec in _CODECS_WITHOUT_OWN_KEYFRAMES or frame.pict_type == PictureType.NONE:
        return is_keyframe
    is_intra = frame.pict_type == PictureType.I and codec not in _CODECS_WITH_OTHER_INTRA_PICTURES
    return bool(frame.key_frame) or (is_keyframe and is_intra)


def has_hole(packet: Packet[VideoStream], codec: str) -> bool:
    """Whether a part of a packet was never written, which not every decoder notices."""
    hole = _HOLES.get(codec)
    return hole is not None and hole.search(memoryview(packet)) is not None


def decode_all(context: VideoCodecContext, contents: Contents) -> Decoded:
    """Decode every packet; those that cannot be decoded are noted and passed over."""
    codec = context.codec.canonical_name
    decoded = Decoded(damaged={place - 1 for place in contents.lost_before if place})
    if contents.missing and contents.packets and not contents.formats & {"mov", "matroska", "avi"}:
        decoded.damaged.add(len(contents.packets) - 1)  # the others leave out a packet that is cut off
    for place, packet in enumerate(contents.packets):
        if has_hole(packet, codec):
            decoded.damaged.add(place)
        try:
            frames = context.decode(_with_place(packet, place))
        except av.FFmpegError:
            decoded.damaged.add(place)
            continue
        _note(frames, contents, codec, decoded)
    with suppress(av.FFmpegError):  # what is still missing then is missing
        _note(context.decode(None), contents, codec, decoded)
    for place, packet in enumerate(contents.packets):
        # Where recordings were joined, a clock of the container that starts again looks like a loss.
        is_join = codec in _CODECS_THAT_NOTICE and bool(decoded.starts & {place + 1, place + 2})
        if packet.is_corrupt and not is_join:
            decoded.damaged.add(place)
    decoded.starts -= decoded.damaged
    if codec == "h264" and (recovered := _first_recovered(decoded, contents)) is not None:
        decoded.starts.add(recovered)
    return decoded


def right_places(decoded: Decoded, contents: Contents) -> set[int]:
    """Places of the pictures that are as they were encoded: nothing that they are made from is damaged.

    Damage reaches up to the next keyframe, and to the pictures that are decoded after it but shown before. In
    AVI, which counts pictures instead of storing times, nothing behind a loss has a known time.
    """
    is_avi, num_known = "avi" in contents.formats, len(contents.packets)
    if is_avi and contents.lost_before:
        num_known = max(min(contents.lost_before) - 1, 0)
    rank = {place: number for number, place in enumerate(decoded.order)}
    right: set[int] = set()
    starts: list[int] = []
    last_damaged = -1
    for place in range(num_known):
        is_good = place in rank and place not in decoded.damaged
        if place in decoded.starts:
            starts.append(place)
        if place in decoded.damaged:
            last_damaged = place
        if is_good and starts:
            is_leading = rank[place] < rank[starts[-1]]
            start = starts[-2] if is_leading and len(starts) > 1 else starts[-1]
            if last_damaged < start and not (is_leading and len(starts) == 1):
                right.add(place)
    if is_avi and (contents.missing or contents.lost_before) and any(rank[place] != place for place in right):
        right -= {max(right, key=rank.__getitem__)}  # pictures that are shown before it may be lost
    return right


def _first_recovered(decoded: Decoded, contents: Contents) -> int | None:
    """The first picture of an H.264 stream that begins in the middle of a refresh without keyframes.

    Its decoder holds back what comes before the recovery point, unless it has seen a keyframe.
    """
    recovered = min(set(decoded.order) - decoded.damaged, default=None)
    is_lost = any(
        contents.packets[place].is_keyframe for place in decoded.damaged if place < (recovered or 0)
    )
    return None if is_lost else recovered


def _note(frames: list[VideoFrame], contents: Contents, codec: str, decoded: Decoded) -> None:
    for frame in frames:
        place = frame.pts
        if place is None or place in decoded.order[-32:]:
            continue
        decoded.order.append(place)
        decoded.first = decoded.first or frame
        if frame.is_corrupt:
            decoded.damaged.add(place)
        elif is_start(frame, codec, is_keyframe=contents.packets[place].is_keyframe):
            decoded.starts.add(place)


def _with_place(packet: Packet[VideoStream], place: int) -> Packet[VideoStream]:
    """The packet with its place as its time; one that an edit list hides gives its picture too."""
    copy = cast("Packet[VideoStream]", Packet(bytes(packet))) if packet.is_discard else packet
    copy.pts = place
    return copy
