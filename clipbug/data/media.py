"""Describe an image or recording without decoding it, and the interface of everything that can open one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.base import VideoDecoder

MediaKind = Literal["image", "video"]


# Extensions of files that may contain images and recordings, in lower case and without the dot.
IMAGE_ENDINGS = ("avif", "bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp")
VIDEO_ENDINGS = ("3gp", "avi", "flv", "gif", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ts", "webm", "wmv")


@dataclass(frozen=True, slots=True)
class PacketTable:
    """Packets of a recording's video stream in decoding order, so that sampling needs only short reads.

    Attributes:
        time_base: Seconds per tick, as (numerator, denominator).
        pts: Presentation time of each packet's frame, in ticks.
        is_keyframe: Whether decoding may start at this packet.
        is_shown: Whether the packet yields a frame of the recording. False for packets that an edit list
            hides and for packets that only help to decode others.
        end_pts: When the last frame stops being shown, in ticks. A player holds it as long as there is sound,
            or up to the duration in the header.
        rotation_degrees: Clockwise rotation that a player applies, after mirroring. Single frames can carry a
            rotation of their own.
        is_mirrored: Whether a player swaps left and right before it rotates.
        coded_size: (height, width) of the first frame as stored. None in manifests of older versions, where
            it is the size that the header declares.
        has_container_times: Whether `pts` are the container's own timestamps. If not (AVI stores none), they
            were measured by decoding, and a packet is identified by its position in the stream.
        changes: How much each packet's frame differs from the one shown before it (`decoding.changes`). Empty
            in manifests of older versions.
        zero_pts: When a player's clock shows 0, in ticks. None in manifests of older versions, which count
            from the first frame.
        damage: Human-readable description of what cannot be decoded; empty for an intact recording.
    """

    time_base: tuple[int, int]
    pts: tuple[int, ...]
    is_keyframe: tuple[bool, ...]
    is_shown: tuple[bool, ...]
    end_pts: int
    rotation_degrees: int
    has_container_times: bool
    changes: tuple[int, ...] = ()
    is_mirrored: bool = False
    coded_size: tuple[int, int] | None = None
    zero_pts: int | None = None
    damage: str = ""

    def seconds_of(self, ticks: int) -> float:
        """Convert ticks to the time that a player's clock shows, in seconds."""
        zero = self.zero_pts
        if zero is None:
            zero = min(pts for pts, shown in zip(self.pts, self.is_shown, strict=True) if shown)
        return (ticks - zero) * self.time_base[0] / self.time_base[1]

    def seconds_shown(self) -> NDArray[np.float64]:
        """Return the player's clock at each frame, in display order.

        Returns:
            Seconds, of shape (num_frames,).
        """
        indices = self.shown_indices()
        ticks = np.array([self.pts[index] for index in indices], np.int64)
        zero = self.pts[indices[0]] if self.zero_pts is None else self.zero_pts
        seconds: NDArray[np.float64] = (ticks - zero) * self.time_base[0] / self.time_base[1]
        return seconds

    def shown_indices(self) -> list[int]:
        """Return the indices of the packets that yield a frame, in display order."""
        indices = [index for index, shown in enumerate(self.is_shown) if shown]
        return sorted(indices, key=self.pts.__getitem__)


@dataclass(frozen=True, slots=True)
class PreparedInfo:
    """The prepared form of a recording (`clipbug ingest --prepare`): the frames that differ from the last.

    Attributes:
        height: Height of the kept frames in pixels.
        width: Width of the kept frames in pixels.
        num_pictures: Number of kept frames.
        num_bytes: Size of the prepared form.
        sha256: Hash of the prepared form.
        quality: JPEG quality.
        checks_per_second: How many frames per second were compared; None for every frame.
        max_difference: Largest difference between a compared frame and the kept frame that represents it, at
            this size, in levels of 0 to 255.
        mean_difference: Mean of these differences over all compared frames.
    """

    height: int
    width: int
    num_pictures: int
    num_bytes: int
    sha256: str
    quality: int
    checks_per_second: float | None
    max_difference: int
    mean_difference: float


@dataclass(frozen=True, slots=True)
class MediaEntry:
    """Manifest entry of a media item.

    Attributes:
        width: Pixels as shown, with rotation and pixel aspect ratio applied.
        height: Pixels as shown.
        other_sizes: (width, height), as shown, of frames that differ in size from the first. They keep their
            aspect ratio and are letterboxed.
        duration_seconds: Duration in a player: from 0 on its clock until the last frame or sound ends.
        num_bytes: Size of the original file, whether or not it is kept.
        sha256: Hash of the original file, whether or not it is kept.
        packets: None for images, and in stores without a manifest.
        prepared: None without a prepared form.
        has_original: False if only the prepared form is kept.
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
    prepared: PreparedInfo | None = None
    has_original: bool = True
    other_sizes: tuple[tuple[int, int], ...] = ()

    @property
    def is_damaged(self) -> bool:
        """Return whether some of the recording cannot be decoded."""
        return bool(self.packets and self.packets.damage)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return human-readable notes about the item: damage, and frames that change size."""
        notes = (self.packets.damage,) if self.packets and self.packets.damage else ()
        if not self.other_sizes:
            return notes
        others = " and ".join(f"{width}x{height}" for width, height in self.other_sizes)
        own = f"{self.width}x{self.height}"
        change = f"its frames change size: {own}, later {others}"
        return (*notes, f"{change}; frames of another aspect ratio are letterboxed to {own} with black bars")

    def is_prepared_for(self, longer_side: int) -> bool:
        """Return whether a prepared form exists that is as good as the original at this size."""
        form = self.prepared
        wanted = min(longer_side, max(self.height, self.width))
        return form is not None and max(form.height, form.width) >= wanted


class MediaSource(Protocol):
    """A source of media items: one store or several. Opens its files lazily, in the process that uses it."""

    def __contains__(self, media_id: object) -> bool: ...

    def __len__(self) -> int: ...

    def ids(self) -> Iterator[str]:
        """Yield all ids, sorted."""
        ...

    def entry(self, media_id: str) -> MediaEntry:
        """Return the manifest entry of an item.

        Raises:
            DataError: There is no such id; the message names the nearest ids.
        """
        ...

    def read(self, media_id: str) -> bytes:
        """Return the original bytes of an item.

        Raises:
            DataError: There is no such id (the message names the nearest), or the original was not kept.
        """
        ...

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """Open a decoder for an item.

        Args:
            media_id: Id of the item.
            longer_side: Read the prepared form if it is at least this large, in pixels. None reads the
                original. If only one of the two is kept, that one is read.

        Raises:
            DataError: There is no such id.
            DecodeError: The file cannot be decoded.
        """
        ...
