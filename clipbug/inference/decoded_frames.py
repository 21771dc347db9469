"""A decoded file as the frames that `clipbug.perception` reads."""

from collections.abc import Iterator

import numpy as np

from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.decoding.open import RecordingDecoder
from clipbug.perception.frames import Picture

_MAX_FRAMES_PER_SECOND = 31.0


class DecodedFrames:
    """A decoder as a `FrameSource`; of more than 31 frames a second some are left out.

    Args:
        decoder: an open recording or picture.
    """

    def __init__(self, decoder: VideoDecoder) -> None:
        self._decoder = decoder
        self.width = decoder.metadata.width
        self.height = decoder.metadata.height
        self.duration_seconds = float(decoder.metadata.duration_seconds)

    def frames(self, size: tuple[int, int]) -> Iterator[tuple[float, Picture]]:
        """See `FrameSource.frames`. Raises DecodeError where a picture cannot be decoded."""
        seconds = self._decoder.pts_seconds
        indices = thinned(seconds)
        if isinstance(self._decoder, RecordingDecoder):
            pictures = self._decoder.pictures(indices, size=size)
        else:
            pictures = ((index, self._decoder.frames_at([index], size=size).data[0]) for index in indices)
        for index, picture in pictures:
            yield float(seconds[index]), picture


def thinned(seconds: np.ndarray) -> list[int]:
    """Return the frames to read: all of them, or at high rates those that are far enough from the last."""
    kept: list[int] = []
    for index, time in enumerate(seconds):
        if not kept or time - seconds[kept[-1]] >= 1 / _MAX_FRAMES_PER_SECOND - 1e-4:
            kept.append(index)
    return kept
