"""The interface that every decoder implements: frames by index, with the times at which they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Decoded frames with the times at which they are shown.

    Shape:
        data: (F, H, W, 3) uint8, RGB, rotation applied.
        pts_seconds: (F,) float64, on a player's clock (the first frame need not be at 0).
    """

    data: NDArray[np.uint8]
    pts_seconds: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.data.ndim != 4 or self.data.shape[-1] != 3 or self.data.dtype != np.uint8:
            raise ValueError(f"data must be (F, H, W, 3) uint8, got {self.data.shape} {self.data.dtype}")
        if self.pts_seconds.shape != (len(self.data),):
            raise ValueError(f"pts_seconds must be ({len(self.data)},), got {self.pts_seconds.shape}")


def check_indices(indices: Sequence[int], num_frames: int, *, media_id: str) -> None:
    """Check that a recording has all these frames.

    Raises:
        ValueError: an index is below 0, or not below `num_frames`.
    """
    outside = [index for index in indices if not 0 <= index < num_frames]
    if outside:
        frames = "one frame" if num_frames == 1 else f"{num_frames} frames"
        raise ValueError(f"indices {outside} are out of range: {media_id} has {frames}")


@dataclass(frozen=True, slots=True)
class DeclaredTiming:
    """Timing in a container's header. It can be wrong, but ClipBERT samples by it.

    Attributes:
        time_base: Seconds per tick, as (numerator, denominator).
        num_frames: Number of frames.
        duration_ticks: Duration in ticks.
    """

    time_base: tuple[int, int]
    num_frames: int
    duration_ticks: int


@dataclass(frozen=True, slots=True)
class VideoMetadata:
    """Metadata of a media item as shown, with rotation applied.

    Attributes:
        duration_seconds: Where a player's clock ends.
        declared: None if the header omits the number of frames or the duration (mkv, webm, images).
        declared_fps: Mean frame rate in the header, which can differ from the timestamps; None without one.
    """

    codec: str
    width: int
    height: int
    num_frames: int
    duration_seconds: float
    average_fps: float
    rotation_degrees: int
    is_variable_rate: bool
    declared: DeclaredTiming | None = None
    declared_fps: float | None = None


class VideoDecoder(Protocol):
    """One open media item; an image is a recording of one frame at time 0.

    Every decoder passes tests/contract/test_decoders.py.
    """

    metadata: VideoMetadata
    pts_seconds: NDArray[np.float64]
    """(num_frames,) times of all frames in display order, on a player's clock."""

    @property
    def changes(self) -> NDArray[np.uint8]:
        """Return how much each frame differs from the one before, (num_frames,); see `decoding.changes`."""
        ...

    def frames_at(self, indices: Sequence[int], *, size: tuple[int, int] | None = None) -> FrameBatch:
        """Decode the frames at `indices` (any order, repeats allowed).

        No frame is decoded twice in one call, and only requested frames are converted.

        Args:
            indices: Frame indices.
            size: (height, width) to scale to; None for the size as shown.

        Raises:
            DecodeError: A requested frame cannot be decoded, or the decoder returns a frame of another time.
            ValueError: An index is out of range.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Closing:
    """Base class of what a `with` statement closes."""

    def close(self) -> None:
        """Release what is held; by default nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class InMemory(Closing):
    """Base class of decoders that hold no file open, so that there is nothing to release."""
