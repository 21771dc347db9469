"""The frames that a clip sampler chooses, for a decoder to read."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """The frames of every clip, and the span of the recording that a clip covers.

    Shape:
        indices: (N, T) int64, frames in the order of presentation.
        spans_seconds: (N, 2) float64, on the clock of a player. A clip begins at its first
            sampling time and lasts T / fps, but never longer than the recording.
    """

    indices: NDArray[np.int64]
    spans_seconds: Seconds

    def __post_init__(self) -> None:
        if self.indices.ndim != 2 or self.spans_seconds.shape != (len(self.indices), 2):
            raise ValueError(
                f"indices must be (N, T) and spans_seconds (N, 2), "
                f"got {self.indices.shape} and {self.spans_seconds.shape}"
            )


# 3 * 0.1 and a frame that begins at 0.3 are the same time but differ in floating point. The tolerance is less
# than a tick of any container that phones write.
_TOLERANCE_SECONDS = 1e-6


def clips_from(
    starts: Seconds, pts_seconds: Seconds, *, end_seconds: float, count: int, fps: float
) -> ClipPlan:
    """Plan clips of `count` frames from `starts` on: at each time the last frame that has begun."""
    times = starts[:, None] + np.arange(count) / fps
    spans = clip_spans(starts, pts_seconds, end_seconds=end_seconds, clip_seconds=count / fps)
    begun = np.searchsorted(pts_seconds, times + _TOLERANCE_SECONDS, side="right")
    return ClipPlan((begun - 1).clip(min=0).astype(np.int64), spans)


def clip_spans(starts: Seconds, pts_seconds: Seconds, *, end_seconds: float, clip_seconds: float) -> Seconds:
    """Return spans (N, 2) of `clip_seconds` within the recording. A header may give the end too early."""
    end = max(end_seconds, float(pts_seconds[-1]))
    return np.stack([starts, np.minimum(starts + clip_seconds, end)], axis=1)


def check_clips(num_clips: int, num_frames_per_clip: int, fps: float) -> None:
    """Raise ValueError for numbers that define no clip."""
    if num_clips < 1:
        raise ValueError(f"num_clips must be at least 1, got {num_clips}")
    if num_frames_per_clip < 1:
        raise ValueError(f"num_frames_per_clip must be at least 1, got {num_frames_per_clip}")
    if not 0 < fps < math.inf:
        raise ValueError(f"fps must be positive and finite, got {fps}")


def check_times(pts_seconds: Seconds, end_seconds: float) -> None:
    """Raise ValueError for timestamps that no recording can have."""
    if pts_seconds.ndim != 1 or not len(pts_seconds):
        raise ValueError(f"pts_seconds must be (F,) with at least one frame, got shape {pts_seconds.shape}")
    if not np.isfinite(pts_seconds).all():
        raise ValueError(f"pts_seconds must be finite, got {pts_seconds[~np.isfinite(pts_seconds)][0]}")
    if (np.diff(pts_seconds) < 0).any():
        place = int(np.argmax(np.diff(pts_seconds) < 0))
        raise ValueError(
            f"pts_seconds must not decrease, got {pts_seconds[place + 1]} after {pts_seconds[place]}"
        )
    if not math.isfinite(end_seconds):
        raise ValueError(f"end_seconds must be finite, got {end_seconds}")
