"""The frames that ClipBERT chooses, for weights that were trained on them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.base import DeclaredTiming
from clipbug.data.sampling.clip_plan import ClipPlan, Seconds, check_clips, check_times, clip_spans


def clips_as_clipbert(
    pts_seconds: Seconds,
    *,
    end_seconds: float,
    average_fps: float,
    declared: DeclaredTiming | None,
    start_fractions: Sequence[float],
    num_frames_per_clip: int,
    fps: float,
) -> ClipPlan:
    """Plan the frames that ClipBERT samples, frame for frame.

    It counts in frames of the mean rate: a clip is a window of T / fps * average_fps frames, from which T are
    taken at equal distances, the first and the last included. Two of its defects are not reproduced: nearly
    all clips are at wrong times if the first frame is not at time 0 (here times count from the first frame),
    and it cannot read recordings that declare a duration but no number of frames.

    Args:
        start_fractions: of each clip, the share of the time outside its window that is before it. ClipBERT
            uses k / N in evaluation (so it never reaches the end) and random ones in training.
        declared: None if the header says too little; the window then counts the frames themselves.

    Raises:
        ValueError: an argument is out of range; the message names it.
    """
    check_clips(len(start_fractions), num_frames_per_clip, fps)
    check_times(pts_seconds, end_seconds)
    if not 0 <= average_fps < math.inf:
        raise ValueError(f"average_fps must be finite and not negative, got {average_fps}")
    window = num_frames_per_clip / fps * average_fps
    rows = []
    for fraction in start_fractions:
        if declared is None:
            row = _listed_window(len(pts_seconds), window, fraction, num_frames_per_clip)
        else:
            row = _declared_window(pts_seconds, declared, window, fraction, num_frames_per_clip)
        rows.append(row)
    indices = np.stack(rows)
    spans = clip_spans(
        pts_seconds[indices[:, 0]],
        pts_seconds,
        end_seconds=end_seconds,
        clip_seconds=num_frames_per_clip / fps,
    )
    return ClipPlan(indices, spans)


def whole_as_clipbert(
    pts_seconds: Seconds, *, end_seconds: float, declared: DeclaredTiming | None, num_frames_per_clip: int
) -> ClipPlan:
    """Plan one clip over the whole recording, as the strategy "uniform" of ClipBERT.

    Raises:
        ValueError: an argument is out of range; the message names it.
    """
    check_clips(1, num_frames_per_clip, 1.0)
    check_times(pts_seconds, end_seconds)
    stop = len(pts_seconds)
    if declared is not None:
        last_tick = int((declared.num_frames - 1) * declared.duration_ticks / declared.num_frames)
        stop = min(int(np.searchsorted(_ticks(pts_seconds, declared), last_tick, side="right")) + 1, stop)
    indices = _spread(0.0, stop - 1, num_frames_per_clip, stop)[None]
    start = float(pts_seconds[0])
    spans = clip_spans(
        np.array([start]), pts_seconds, end_seconds=end_seconds, clip_seconds=end_seconds - start
    )
    return ClipPlan(indices, spans)


def _ticks(pts_seconds: Seconds, declared: DeclaredTiming) -> NDArray[np.int64]:
    """Return times in ticks of the container, from the first frame."""
    numerator, denominator = declared.time_base
    ticks: NDArray[np.int64] = np.rint((pts_seconds - pts_seconds[0]) * denominator / numerator).astype(
        np.int64
    )
    return ticks


def _listed_window(num_frames: int, window: float, fraction: float, count: int) -> NDArray[np.int64]:
    start = max(num_frames - window, 0.0) * fraction
    return _spread(start, start + window - 1, count, num_frames)


def _declared_window(
    pts_seconds: Seconds, declared: DeclaredTiming, window: float, fraction: float, count: int
) -> NDArray[np.int64]:
    """Convert the window to ticks by the mean rate; one frame beyond its end counts as inside."""
    ticks = _ticks(pts_seconds, declared)
    start = max(declared.num_frames - window, 0.0) * fraction
    first_tick, last_tick = (
        int(place * declared.duration_ticks / declared.num_frames) for place in (start, start + window - 1)
    )
    # If the header declares more than there is, nothing would be left: use the last frame.
    first = min(int(np.searchsorted(ticks, first_tick, side="left")), len(ticks) - 1)
    stop = max(int(np.searchsorted(ticks, last_tick, side="right")), first) + 1
    return first + _spread(0.0, window - 1, count, min(stop, len(ticks)) - first)


def _spread(start: float, end: float, count: int, limit: int) -> NDArray[np.int64]:
    """Return `count` whole numbers from `start` to `end`, clipped to [0, limit)."""
    places: NDArray[np.int64] = np.clip(np.linspace(start, end, count), 0, limit - 1).astype(np.int64)
    return places
