"""Decode all of a recording once: which pictures come out right, and where decoding may start."""

from __future__ import annotations  # Packet takes no index at run time

import re
from dataclasses import dataclass, field

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
    "h264": re.compile(rb"\0{16,}[^\0]"),
    "hevc": re.compile(rb"\0{16,}[^\0]"),
    "mpeg4": re.compile(rb"\0{64,}"),
    "vp8": re.compile(rb"\0{512,}"),
    "vp9": re.compile(rb"\0{512,}"),
    "av1": re.compile(rb"\0{512,}"),
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


def decode_all(context: VideoCodecContext, contents: Contents) -> Decoded:
    """Decode every packet; those that cannot be decoded are noted and passed over."""
    codec = context.codec.canonical_name
    hole = _HOLES.get(codec)
    decoded = Decoded(damaged={place - 1 for place in contents.lost_before if place})
    if contents.missing and contents.packets and not contents.formats & {"mov", "matroska", "avi"}:
        decoded.damaged.add(len(contents.packets) - 1)  # the others leave out a packet that is cut off
    for place, packet in enumerate(contents.packets):
        if hole and hole.search(bytes(packet)):
            decoded.damaged.add(place)
        try:
            frames = context.decode(_with_place(packet, place))
        except av.FFmpegError:
            decoded.damaged.add(place)
            continue
        _note(frames, contents, codec, decoded)
    try:
        _note(context.decode(None), contents, codec, decoded)
    except av.FFmpegError:
        pass  # what is still missing then is missing
    for place, packet in enumerate(contents.packets):
        # Where recordings were joined, a clock of the container that starts again looks like a loss.
        is_join = codec in _CODECS_THAT_NOTICE and bool(decoded.starts & {place + 1, place + 2})
        if packet.is_corrupt and not is_join:
            decoded.damaged.add(place)
    decoded.starts -= decoded.damaged
    return decoded


def right_places(decoded: Decoded, num_packets: int, *, codec: str) -> set[int]:
    """Places of the pictures that are as they were encoded: nothing that they are made from is damaged.

    Damage reaches up to the next keyframe, and to the pictures that are decoded after it but shown before.
    """
    rank = {place: number for number, place in enumerate(decoded.order)}
    right: set[int] = set()
    starts: list[int] = []
    last_damaged = -1
    for place in range(num_packets):
        is_good = place in rank and place not in decoded.damaged
        if place in decoded.starts or (not starts and is_good and codec == "h264"):
            starts.append(place)  # pictures of H.264 come out from the first recovery point on only
        if place in decoded.damaged:
            last_damaged = place
        if is_good and starts:
            is_leading = rank[place] < rank[starts[-1]]
            start = starts[-2] if is_leading and len(starts) > 1 else starts[-1]
            if last_damaged < start and not (is_leading and len(starts) == 1):
                right.add(place)
    return right


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
    if packet.is_discard:
        packet = Packet(bytes(packet))
    packet.pts = place
    return packet
