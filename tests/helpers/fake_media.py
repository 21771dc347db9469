"""Stand-ins for media, in memory and picklable, so that tests of samples need neither files nor decoders."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.base import FrameBatch, VideoMetadata
from clipbug.data.media import MediaEntry
from clipbug.errors import DataError, DecodeError


@dataclass(frozen=True, slots=True)
class FakeRecording:
    """A recording (or image) as an array of pictures with the times at which they are shown.

    Shape:
        pictures: (F, H, W, 3) uint8.
        pts_seconds: (F,) float64, rising.
    """

    pictures: NDArray[np.uint8]
    pts_seconds: NDArray[np.float64]
    duration_seconds: float
    kind: Literal["image", "video"] = "video"
    is_damaged: bool = False


def fake_recording(
    num_frames: int,
    *,
    fps: float = 10.0,
    start_seconds: float = 0.0,
    size: tuple[int, int] = (64, 36),
    seed: int = 0,
    is_damaged: bool = False,
) -> FakeRecording:
    """A recording of constant rate whose picture i is a fixed pattern plus grey level i (at most 255)."""
    pattern = np.random.default_rng(seed).integers(0, 64, (*size, 3))
    levels = np.arange(num_frames).reshape(-1, 1, 1, 1)
    pictures = np.clip(pattern + levels, 0, 255).astype(np.uint8)
    times = start_seconds + np.arange(num_frames) / fps
    return FakeRecording(pictures, times, num_frames / fps, is_damaged=is_damaged)


def fake_image(*, size: tuple[int, int] = (64, 36), seed: int = 0) -> FakeRecording:
    """An image of random pixels."""
    pictures = np.random.default_rng(seed).integers(0, 256, (1, *size, 3)).astype(np.uint8)
    return FakeRecording(pictures, np.zeros(1), 0.0, kind="image")


class FakeDecoder:
    """A `VideoDecoder` over a `FakeRecording`; scales by taking the nearest pixel."""

    def __init__(self, media_id: str, recording: FakeRecording) -> None:
        self.media_id = media_id
        self.recording = recording
        self.pts_seconds = recording.pts_seconds
        count, height, width = recording.pictures.shape[:3]
        self.changes = np.zeros(count, np.uint8)
        duration = float(recording.pts_seconds[0]) + recording.duration_seconds
        self.metadata = VideoMetadata(
            codec="fake",
            width=width,
            height=height,
            num_frames=count,
            duration_seconds=duration,
            average_fps=count / duration if duration else 0.0,
            rotation_degrees=0,
            is_variable_rate=False,
        )

    def frames_at(self, indices: Sequence[int], *, size: tuple[int, int] | None = None) -> FrameBatch:
        if self.recording.is_damaged:
            raise DecodeError(f"{self.media_id}: picture {indices[0]} cannot be decoded", "record it again")
        chosen = np.asarray(indices, dtype=np.int64)
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < len(self.pts_seconds):
            raise ValueError(f"indices {list(indices)} of {len(self.pts_seconds)} pictures")
        pictures = self.recording.pictures[chosen]
        if size is not None:
            rows = np.arange(size[0]) * pictures.shape[1] // size[0]
            columns = np.arange(size[1]) * pictures.shape[2] // size[1]
            pictures = pictures[:, rows][:, :, columns]
        return FrameBatch(np.ascontiguousarray(pictures), self.pts_seconds[chosen])

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class FakeMedia:
    """A `MediaSource` over recordings in memory. `opened` lists the ids opened so far in this process."""

    def __init__(self, recordings: Mapping[str, FakeRecording]) -> None:
        self.recordings = dict(recordings)
        self.opened: list[str] = []

    def __contains__(self, media_id: object) -> bool:
        return media_id in self.recordings

    def __len__(self) -> int:
        return len(self.recordings)

    def ids(self) -> Iterator[str]:
        return iter(sorted(self.recordings))

    def entry(self, media_id: str) -> MediaEntry:
        recording = self._recording(media_id)
        metadata = FakeDecoder(media_id, recording).metadata
        return MediaEntry(
            media_id=media_id,
            kind=recording.kind,
            file_name=f"{media_id}.{'png' if recording.kind == 'image' else 'mp4'}",
            num_bytes=recording.pictures.nbytes,
            sha256="",
            codec=metadata.codec,
            width=metadata.width,
            height=metadata.height,
            num_frames=metadata.num_frames,
            duration_seconds=metadata.duration_seconds,
            average_fps=metadata.average_fps,
            rotation_degrees=0,
            is_variable_rate=False,
        )

    def read(self, media_id: str) -> bytes:
        return self._recording(media_id).pictures.tobytes()

    def open(self, media_id: str, *, longer_side: int | None = None) -> FakeDecoder:
        self.opened.append(media_id)
        return FakeDecoder(media_id, self._recording(media_id))

    def _recording(self, media_id: str) -> FakeRecording:
        if media_id not in self.recordings:
            raise DataError(f"no media {media_id!r}", "ingest it")
        return self.recordings[media_id]
