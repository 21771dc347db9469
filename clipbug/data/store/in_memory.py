"""Serve a single image, recording or array of frames outside any store as a `MediaSource`."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.base import FrameBatch, InMemory, VideoDecoder, VideoMetadata, check_indices
from clipbug.data.decoding.changes import changes_between
from clipbug.data.decoding.content import image_format
from clipbug.data.decoding.open import RecordingDecoder, media_kind, open_media
from clipbug.data.decoding.pictures.decoder import ImageDecoder, resize
from clipbug.data.decoding.pictures.still import check_still
from clipbug.data.media import MediaEntry, MediaKind, PacketTable
from clipbug.data.store.probe import probe
from clipbug.errors import DataError
from clipbug.runtime.files import expanded, special_file

LooseVisual = Path | str | bytes | NDArray[np.uint8]
"""A file, its bytes, or frames: (T, H, W, 3) RGB, or (H, W, 3) for one image."""


def loose_media(visual: LooseVisual, *, fps: float | None = None) -> "LooseMedia":
    """Return a media source of a single item.

    Args:
        visual: File, bytes or frames.
        fps: Frame rate of an array of several frames.

    Returns:
        The media source.

    Raises:
        DataError: There is no such file.
        ValueError: The array has an invalid shape or type, or several frames without `fps`.
    """
    if isinstance(visual, np.ndarray):
        return LooseMedia("frames", frames=_checked_frames(visual, fps), fps=fps or 1.0)
    if isinstance(visual, bytes):
        return LooseMedia("the file in memory", data=visual)
    path = expanded(visual)
    if kind := special_file(path):
        raise DataError(f"{path} is {kind}, not a file", "give an image, GIF or recording")
    try:
        return LooseMedia(path.name, data=path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}", "give an image, GIF or recording"
        ) from error


def kind_of_file(path: Path) -> MediaKind:
    """Detect from its content whether a file is a still image or a recording.

    Args:
        path: The file.

    Returns:
        "image" or "video".

    Raises:
        DataError: The file does not exist, or cannot be opened as either.
    """
    media = loose_media(path)
    with media.open(media.name):
        return media.kind


class LooseMedia:
    """A `MediaSource` of a single item, whose id is `name`.

    Args:
        name: File name, for messages.
        data: The file's bytes; empty if `frames` are given.
        frames: (T, H, W, 3) uint8 RGB, instead of `data`.
        fps: Frame rate of `frames`.
    """

    def __init__(
        self,
        name: str,
        *,
        data: bytes = b"",
        frames: NDArray[np.uint8] | None = None,
        fps: float = 1.0,
    ) -> None:
        self.name = name
        self._data = data
        self._frames = frames
        self._fps = fps
        self._packets: PacketTable | None = None
        self._still: ImageDecoder | None = None

    def __contains__(self, media_id: object) -> bool:
        return media_id == self.name

    def __len__(self) -> int:
        return 1

    def ids(self) -> Iterator[str]:
        """Return an iterator over the single id."""
        return iter((self.name,))

    def entry(self, media_id: str) -> MediaEntry:
        """Return the manifest entry, read from the file. Raises DecodeError."""
        with self.open(media_id) as decoder:
            about = decoder.metadata
        return MediaEntry(
            media_id=self.name,
            kind=self.kind,
            file_name=self.name,
            num_bytes=len(self._data),
            sha256=hashlib.sha256(self._data).hexdigest(),
            codec=about.codec,
            width=about.width,
            height=about.height,
            num_frames=about.num_frames,
            duration_seconds=about.duration_seconds,
            average_fps=about.average_fps,
            rotation_degrees=about.rotation_degrees,
            is_variable_rate=about.is_variable_rate,
            packets=self._packets,
        )

    def read(self, media_id: str) -> bytes:
        """Return the original bytes; empty for an array."""
        return self._data

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """Open a decoder; a loose file has no prepared form. Raises DecodeError."""
        if self._frames is not None:
            return FramesDecoder(self._frames, media_id=self.name, fps=self._fps)
        if self._still is not None:
            return self._still
        check_still(self._data, image_format(self._data), media_id=self.name)
        decoder = open_media(self._data, media_id=self.name, packets=self._packets)
        if isinstance(decoder, ImageDecoder):
            self._still = decoder
        if isinstance(decoder, RecordingDecoder):
            self._packets = decoder.packets
        return decoder

    def look_closely(self) -> None:
        """Decode the whole file as `clipbug ingest` does, because some containers have inaccurate timestamps.

        Raises:
            DecodeError: The file cannot be decoded.
        """
        if self._frames is None:
            self._packets = probe(self._data, media_id=self.name, file_name=self.name).packets

    @property
    def kind(self) -> MediaKind:
        """Return whether the content is a still image or a recording."""
        if self._frames is not None:
            return "image" if len(self._frames) == 1 else "video"
        return media_kind(self._data)


class FramesDecoder(InMemory):
    """Decoder of frames in memory, as a recording of constant frame rate.

    Args:
        frames: (T, H, W, 3) RGB.
        media_id: For messages.
        fps: Frame rate.
    """

    def __init__(self, frames: NDArray[np.uint8], *, media_id: str, fps: float) -> None:
        self._frames = frames
        self._media_id = media_id
        count, height, width = frames.shape[:3]
        self.changes = changes_between(frames)
        self.pts_seconds: NDArray[np.float64] = np.arange(count) / fps
        self.metadata = VideoMetadata(
            codec="raw",
            width=width,
            height=height,
            num_frames=count,
            duration_seconds=count / fps if count > 1 else 0.0,
            average_fps=fps if count > 1 else 0.0,
            rotation_degrees=0,
            is_variable_rate=False,
        )

    def frames_at(self, indices: Sequence[int], *, size: tuple[int, int] | None = None) -> FrameBatch:
        """Return the frames at `indices`, averaging areas where they become smaller."""
        check_indices(indices, len(self._frames), media_id=self._media_id)
        data = self._frames[list(indices)]
        if size is not None and size != data.shape[1:3]:
            data = np.stack([resize(frame, size) for frame in data])
        return FrameBatch(data, self.pts_seconds[list(indices)])


def _checked_frames(frames: NDArray[np.uint8], fps: float | None) -> NDArray[np.uint8]:
    several = frames[None] if frames.ndim == 3 else frames
    if several.ndim != 4 or several.shape[-1] != 3 or several.dtype != np.uint8 or not several.size:
        raise ValueError(f"frames must be (T, H, W, 3) uint8 RGB, got {frames.shape} {frames.dtype}")
    if len(several) > 1 and (fps is None or not 0 < fps < np.inf):
        raise ValueError(f"fps must be a positive number for {len(several)} frames, got {fps}")
    return several
