"""The contract of a decoder: true times, frames by index, nothing guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Decoded pictures with the times at which they are shown.

    Shape:
        data: (F, H, W, 3) uint8, RGB, rotation applied.
        pts_seconds: (F,) float64, on the clock of a player (the first picture need not be at 0).
    """

    data: NDArray[np.uint8]
    pts_seconds: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.data.ndim != 4 or self.data.shape[-1] != 3 or self.data.dtype != np.uint8:
            raise ValueError(f"data must be (F, H, W, 3) uint8, got {self.data.shape} {self.data.dtype}")
        if self.pts_seconds.shape != (len(self.data),):
            raise ValueError(f"{self.pts_seconds.shape} times for {len(self.data)} frames")


@dataclass(frozen=True, slots=True)
class DeclaredTiming:
    """What a container's header says of its video stream; it can be wrong, but the original samples by it.

    Attributes:
        time_base: seconds per tick, as (numerator, denominator).
        num_frames: pictures.
        duration_ticks: length.
    """

    time_base: tuple[int, int]
    num_frames: int
    duration_ticks: int


@dataclass(frozen=True, slots=True)
class VideoMetadata:
    """What a file says about itself, as shown (rotation applied).

    Attributes:
        duration_seconds: where a player's clock ends.
        declared: None where the header leaves out the number of frames or the duration (mkv, webm, images).
        declared_fps: the header's mean rate, which can differ from what its timestamps say; None without one.
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
    """One open recording (an image is a recording of one picture at time 0).

    Every decoder passes tests/contract/test_decoders.py.
    """

    metadata: VideoMetadata
    pts_seconds: NDArray[np.float64]
    """(num_frames,) times of all pictures in the order in which they are shown, on the clock of a player."""

    @property
    def changes(self) -> NDArray[np.uint8]:
        """(num_frames,) how much each picture differs from the one before; see `decoding.changes`."""
        ...

    def frames_at(self, indices: Sequence[int], *, size: tuple[int, int] | None = None) -> FrameBatch:
        """The pictures at `indices` (any order, repeats allowed), scaled to `size` (height, width) if given.

        No picture is decoded twice in one call, and only wanted ones are converted.

        Raises:
            DecodeError: a wanted picture cannot be decoded, or what comes out is another time's picture.
            ValueError: an index is outside the recording.
        """
        ...

    def close(self) -> None:
        """Free the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class InMemory:
    """The part of a decoder that holds no file: there is nothing to free."""

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
