"""What is known of an image or recording without decoding it, and where to open it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from clipbug.data.decoding.base import VideoDecoder

MediaKind = Literal["image", "video"]


@dataclass(frozen=True, slots=True)
class PacketTable:
    """The packets of a recording's video stream in decoding order, so that sampled frames need a short read.

    Attributes:
        time_base: seconds per tick, as (numerator, denominator).
        pts: presentation time of each packet's picture, in ticks.
        is_keyframe: whether decoding may start at this packet.
        is_shown: whether the packet gives a picture of the recording; false for what an edit list hides, and
            for packets that only help to decode others.
        end_pts: when the last picture stops being shown, in ticks.
        rotation_degrees: how far a player turns the pictures, clockwise.
        has_container_times: whether `pts` are the container's own. If not (AVI stores none), they were learnt
            by decoding, and a packet is known by its place in the stream.
    """

    time_base: tuple[int, int]
    pts: tuple[int, ...]
    is_keyframe: tuple[bool, ...]
    is_shown: tuple[bool, ...]
    end_pts: int
    rotation_degrees: int
    has_container_times: bool


@dataclass(frozen=True, slots=True)
class MediaEntry:
    """One line of the manifest.

    Attributes:
        width, height: pixels as shown (rotation applied).
        packets: None for images and for stores without a manifest.
    """

    media_id: str
    kind: MediaKind
    file_name: str
    num_bytes: int
    sha256: str
    codec: str
    width: int
    height: int
    num_frames: int
    duration_seconds: float
    average_fps: float
    rotation_degrees: int
    is_variable_rate: bool
    packets: PacketTable | None = None


class MediaSource(Protocol):
    """Where pictures come from: one store or several. Opens its files lazily, in the process that uses it."""

    def __contains__(self, media_id: object) -> bool: ...

    def __len__(self) -> int: ...

    def ids(self) -> Iterator[str]:
        """All ids, sorted."""
        ...

    def entry(self, media_id: str) -> MediaEntry:
        """The manifest entry. Raises DataError with the nearest ids if there is no such id."""
        ...

    def read(self, media_id: str) -> bytes:
        """The original bytes. Raises DataError with the nearest ids if there is no such id."""
        ...

    def open(self, media_id: str) -> VideoDecoder:
        """A decoder over the original bytes. Raises DataError (no such id) or DecodeError."""
        ...
