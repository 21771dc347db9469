"""What is known of an image or recording without decoding it, and where to open it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

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
        end_pts: when the last picture stops being shown, in ticks; a player holds it as long as there is
            sound, or up to the length that the header gives.
        rotation_degrees, is_mirrored: how far a player turns the pictures, clockwise, after it has swapped
            left and right if they are mirrored. Single pictures can say otherwise of themselves.
        coded_size: (height, width) of the first picture as stored; None in manifests of older versions, where
            it is the size that the header declares.
        has_container_times: whether `pts` are the container's own. If not (AVI stores none), they were learnt
            by decoding, and a packet is known by its place in the stream.
        changes: how much each packet's picture differs from the one shown before (`decoding.changes`); empty
            in manifests of older versions.
        zero_pts: when a player's clock shows 0, in ticks; None in manifests of older versions, which count
            from the first picture.
        damage: what of the recording cannot be read, for people; empty if all of it can be.
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
        """What a player's clock shows at a time of the table."""
        zero = self.zero_pts
        if zero is None:
            zero = min(pts for pts, shown in zip(self.pts, self.is_shown, strict=True) if shown)
        return (ticks - zero) * self.time_base[0] / self.time_base[1]

    def seconds_shown(self) -> NDArray[np.float64]:
        """(num_frames,) what a player's clock shows at each picture, in the order of showing."""
        places = self.places_shown()
        ticks = np.array([self.pts[place] for place in places], np.int64)
        zero = self.pts[places[0]] if self.zero_pts is None else self.zero_pts
        seconds: NDArray[np.float64] = (ticks - zero) * self.time_base[0] / self.time_base[1]
        return seconds

    def places_shown(self) -> list[int]:
        """Places of the packets that give a picture, in the order of showing."""
        places = [place for place, shown in enumerate(self.is_shown) if shown]
        return sorted(places, key=self.pts.__getitem__)


@dataclass(frozen=True, slots=True)
class PreparedInfo:
    """What `clipbug ingest --prepare` keeps of a recording: those pictures that differ from the one before.

    Attributes:
        height, width: pixels of the kept pictures.
        num_pictures: kept pictures.
        num_bytes, sha256: of the whole form.
        quality: of the JPEGs.
        checks_per_second: how often the recording was looked at; None for every picture.
        max_difference, mean_difference: between what is kept for a picture and the picture itself at this
            size, in levels of 0 to 255, over all pictures that were looked at.
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
    """One line of the manifest.

    Attributes:
        width, height: pixels as shown (rotation and shape of pixels applied).
        other_sizes: (width, height), as shown, of pictures that have another size than the first; they keep
            their shape, between bars.
        duration_seconds: as a player shows it: from 0 on its clock until the last picture or sound ends.
        num_bytes, sha256: of the original file, whether it is kept or not.
        packets: None for images and for stores without a manifest.
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
        """Whether a part of the recording cannot be read."""
        return bool(self.packets and self.packets.damage)

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of the item: damage, pictures that change their size."""
        notes = (self.packets.damage,) if self.packets and self.packets.damage else ()
        if not self.other_sizes:
            return notes
        others = " and ".join(f"{width}x{height}" for width, height in self.other_sizes)
        own = f"{self.width}x{self.height}"
        change = f"its pictures change their size: {own}, later {others}"
        return (*notes, f"{change}; those of another shape are fitted into {own} between black bars")

    def is_prepared_for(self, longer_side: int) -> bool:
        """Whether there is a prepared form that loses nothing against the original at this size."""
        form = self.prepared
        wanted = min(longer_side, max(self.height, self.width))
        return form is not None and max(form.height, form.width) >= wanted


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
        """The original bytes. Raises DataError: no such id (the nearest are named), or they are not kept."""
        ...

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """A decoder over the prepared form if it is at least `longer_side` pixels large, else the original.

        Without `longer_side` over the original. What is not kept cannot be chosen: then over what there is.

        Raises:
            DataError: there is no such id.
            DecodeError: the file cannot be decoded.
        """
        ...
