"""Choose the frames of a recording that the model sees: arithmetic on timestamps, without decoding.

A clip is T frames at times 1/fps apart: at each time the frame that a player shows then, the last that has
begun. Timestamps may be unevenly spaced and need not start at 0; if a recording is shorter than a clip, its
last frame repeats.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np

from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.sampling.clip_plan import ClipPlan, Seconds, check_clips, check_times, clips_from
from clipbug.data.sampling.clipbert_sampling import clips_as_clipbert, whole_as_clipbert
from clipbug.data.sampling.screen_changes import clips_at_screen_changes

__all__ = [
    "ClipPlan",
    "ClipSampler",
    "build_clip_sampler",
    "clips_as_clipbert",
    "clips_at_random_times",
    "clips_at_regular_times",
    "clips_at_screen_changes",
]

ClipSampler = Callable[[VideoDecoder, np.random.Generator], ClipPlan]
SamplingName = Literal["regular", "random", "clipbert", "screen_changes"]

SingleClip = Literal["start", "middle", "end", "uniform"]
_SINGLE_CLIP_FRACTIONS = {"start": 0.0, "middle": 1 / 3, "end": 2 / 3}


def clips_at_regular_times(
    pts_seconds: Seconds, *, end_seconds: float, num_clips: int, num_frames_per_clip: int, fps: float
) -> ClipPlan:
    """Plan clips at equal distances, from the first frame to the last.

    The first clip starts at the first frame; the last frame of the last clip is the last frame of the
    recording. A single clip is in the middle.

    Raises:
        ValueError: an argument is out of range; the message names it.
    """
    check_clips(num_clips, num_frames_per_clip, fps)
    fractions = np.linspace(0.0, 1.0, num_clips) if num_clips > 1 else np.array([0.5])
    return _clips_at(pts_seconds, end_seconds, fractions, num_frames_per_clip, fps)


def clips_at_random_times(
    pts_seconds: Seconds,
    *,
    end_seconds: float,
    num_clips: int,
    num_frames_per_clip: int,
    fps: float,
    generator: np.random.Generator,
) -> ClipPlan:
    """Plan clips in order of time: one at a random time in each of `num_clips` equal parts of the recording.

    A single clip can be anywhere, and several are spread over the recording.

    Raises:
        ValueError: an argument is out of range; the message names it.
    """
    check_clips(num_clips, num_frames_per_clip, fps)
    fractions = (np.arange(num_clips) + generator.random(num_clips)) / num_clips
    return _clips_at(pts_seconds, end_seconds, fractions, num_frames_per_clip, fps)


def build_clip_sampler(
    name: SamplingName,
    *,
    random: bool,
    num_clips: int,
    num_frames_per_clip: int,
    fps: float,
    single_clip: SingleClip = "start",
) -> ClipSampler:
    """Build the sampler of a config, picklable. With `random` (training) clips are at random times.

    `single_clip` is where "clipbert" puts a single clip, see `clipbug.config.data`.

    Raises:
        ValueError: there is no such name, or a number is out of range.
    """
    if name not in get_args(SamplingName):
        raise ValueError(f"name must be one of {', '.join(get_args(SamplingName))}, got {name!r}")
    check_clips(num_clips, num_frames_per_clip, fps)
    return _Sampler(name, random or name == "random", num_clips, num_frames_per_clip, fps, single_clip)


@dataclass(frozen=True, slots=True)
class _Sampler:
    name: SamplingName
    random: bool
    num_clips: int
    num_frames_per_clip: int
    fps: float
    single_clip: SingleClip

    def __call__(self, decoder: VideoDecoder, generator: np.random.Generator) -> ClipPlan:
        end_seconds = decoder.metadata.duration_seconds
        if self.name == "clipbert":
            return self._as_clipbert(decoder, end_seconds, generator)
        plan: Callable[..., ClipPlan] = clips_at_regular_times
        if self.name == "screen_changes":
            draw = generator if self.random else None
            plan = partial(clips_at_screen_changes, changes=decoder.changes, generator=draw)
        elif self.random:
            plan = partial(clips_at_random_times, generator=generator)
        return plan(
            decoder.pts_seconds,
            end_seconds=end_seconds,
            num_clips=self.num_clips,
            num_frames_per_clip=self.num_frames_per_clip,
            fps=self.fps,
        )

    def _as_clipbert(
        self, decoder: VideoDecoder, end_seconds: float, generator: np.random.Generator
    ) -> ClipPlan:
        if self.num_clips == 1 and self.single_clip == "uniform":
            return whole_as_clipbert(
                decoder.pts_seconds,
                end_seconds=end_seconds,
                declared=decoder.metadata.declared,
                num_frames_per_clip=self.num_frames_per_clip,
            )
        fractions = np.arange(self.num_clips) / self.num_clips
        if self.num_clips == 1:
            fractions = np.array([_SINGLE_CLIP_FRACTIONS[self.single_clip]])
        if self.random:
            fractions = np.sort(generator.random(self.num_clips))
        return clips_as_clipbert(
            decoder.pts_seconds,
            end_seconds=end_seconds,
            average_fps=decoder.metadata.declared_fps or decoder.metadata.average_fps,
            declared=decoder.metadata.declared,
            start_fractions=fractions.tolist(),
            num_frames_per_clip=self.num_frames_per_clip,
            fps=self.fps,
        )


def _clips_at(
    pts_seconds: Seconds, end_seconds: float, fractions: Seconds, num_frames_per_clip: int, fps: float
) -> ClipPlan:
    """Plan clips that start at `fractions` of the time that is left when a clip is subtracted."""
    check_times(pts_seconds, end_seconds)
    first, last = float(pts_seconds[0]), float(pts_seconds[-1])
    free_seconds = max(last - first - (num_frames_per_clip - 1) / fps, 0.0)
    starts = first + free_seconds * fractions
    return clips_from(starts, pts_seconds, end_seconds=end_seconds, count=num_frames_per_clip, fps=fps)
