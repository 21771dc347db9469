"""Place clips where the screen changes."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clipbug.data.sampling.clip_plan import ClipPlan, Seconds, check_clips, check_times, clips_from

_MOMENT_SECONDS = 0.25


def clips_at_screen_changes(
    pts_seconds: Seconds,
    changes: NDArray[np.uint8],
    *,
    end_seconds: float,
    num_clips: int,
    num_frames_per_clip: int,
    fps: float,
    generator: np.random.Generator | None = None,
) -> ClipPlan:
    """Plan clips in order of time, centred at changes and spread evenly over the total change.

    Changes within a quarter of a second count as one moment. The change of all moments in a row is cut into
    `num_clips` equal parts, and each part gets a clip at the moment in its middle: so whatever makes up 1 / N
    of the change is seen, however short it is. Clips that would repeat a moment, and all clips of a recording
    without any change, go to the middle of the longest stretch without a clip instead.

    Args:
        changes: (F,) how much each picture differs from the one before (`clipbug.data.decoding.changes`).
        generator: draws the places within the parts, as in training; without it they are the middles.

    Raises:
        ValueError: an argument is out of range; the message names it.
    """
    check_clips(num_clips, num_frames_per_clip, fps)
    check_times(pts_seconds, end_seconds)
    if changes.shape != pts_seconds.shape:
        raise ValueError(f"changes must be {pts_seconds.shape} like pts_seconds, got {changes.shape}")
    draws = np.full(num_clips, 0.5) if generator is None else generator.random(num_clips)
    first, last = float(pts_seconds[0]), float(pts_seconds[-1])
    times, amounts = _moments(pts_seconds, changes)
    parts = (np.arange(num_clips) + draws) / num_clips * amounts.sum()
    places = np.searchsorted(np.cumsum(amounts), parts, side="right").clip(max=len(times) - 1)
    centers = sorted({*times[places].tolist()}) if len(times) else []
    centers = _fill_gaps(centers, draws.tolist(), first, last)
    length = (num_frames_per_clip - 1) / fps
    starts = np.clip(np.array(centers) - length / 2, first, max(first, last - length))
    return clips_from(starts, pts_seconds, end_seconds=end_seconds, count=num_frames_per_clip, fps=fps)


def _moments(pts_seconds: Seconds, changes: NDArray[np.uint8]) -> tuple[Seconds, NDArray[np.float64]]:
    """Return times and sizes of changes: the strongest change of each quarter of a second that has one."""
    slots = np.floor((pts_seconds - pts_seconds[0]) / _MOMENT_SECONDS).astype(np.int64)
    strongest: dict[int, int] = {}
    for index in np.flatnonzero(changes).tolist():
        before = strongest.setdefault(int(slots[index]), index)
        if changes[index] > changes[before]:
            strongest[int(slots[index])] = index
    chosen = list(strongest.values())
    return pts_seconds[chosen], changes[chosen].astype(np.float64)


def _fill_gaps(centers: list[float], draws: list[float], first: float, last: float) -> list[float]:
    """Return `centers` and more, each in the longest gap, until there are as many as `draws`."""
    for draw in draws[len(centers) :]:
        gaps = list(pairwise([first, *centers, last]))
        start, end = max(gaps, key=lambda gap: gap[1] - gap[0])
        centers = sorted([*centers, start + (end - start) * (0.25 + draw / 2)])
    return centers
