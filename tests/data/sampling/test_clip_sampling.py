"""Clips against a naive reading of the rule, on recordings of even and uneven rate."""

import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clipbug.data.sampling.clip_sampling import (
    ClipPlan,
    build_clip_sampler,
    clips_at_random_times,
    clips_at_regular_times,
)
from tests.helpers.fake_media import FakeDecoder, fake_recording

RECORDINGS = {
    "even": [Fraction(i, 10) for i in range(80)],
    "even, first picture at 2 s": [2 + Fraction(i, 30) for i in range(150)],
    "30000/1001": [Fraction(i * 1001, 30000) for i in range(200)],
    "uneven": [Fraction(i, 10) for i in range(30)] + [3 + Fraction(i, 30) for i in range(60)],
    "still for 5 s": [Fraction(0), Fraction(5), Fraction(51, 10), Fraction(52, 10)],
    "shorter than a clip": [Fraction(0), Fraction(1, 10), Fraction(2, 10)],
    "one picture": [Fraction(7)],
    "before zero": [Fraction(i, 10) - 1 for i in range(40)],
}


def shown_at(pts: list[Fraction], time: Fraction) -> int:
    """The last picture that has begun, by looking at each of them in exact arithmetic."""
    begun = [index for index, begin in enumerate(pts) if begin <= time]
    return begun[-1] if begun else 0


def naive_regular(pts: list[Fraction], num_clips: int, num_frames: int, fps: int) -> list[list[int]]:
    free = max(pts[-1] - pts[0] - Fraction(num_frames - 1, fps), Fraction(0))
    rows = []
    for clip in range(num_clips):
        share = Fraction(clip, num_clips - 1) if num_clips > 1 else Fraction(1, 2)
        start = pts[0] + free * share
        rows.append([shown_at(pts, start + Fraction(frame, fps)) for frame in range(num_frames)])
    return rows


def seconds(pts: list[Fraction]) -> NDArray[np.float64]:
    return np.array([float(time) for time in pts])


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("num_clips", [1, 2, 3, 4, 7, 16])
@pytest.mark.parametrize(("num_frames", "fps"), [(1, 1), (2, 2), (3, 10), (4, 1)])
def test_regular_clips_are_the_pictures_shown_then(
    name: str, num_clips: int, num_frames: int, fps: int
) -> None:
    pts = RECORDINGS[name]
    plan = clips_at_regular_times(
        seconds(pts), end_seconds=float(pts[-1]), num_clips=num_clips, num_frames_per_clip=num_frames, fps=fps
    )
    assert plan.indices.tolist() == naive_regular(pts, num_clips, num_frames, fps)
    assert plan.indices.dtype == np.int64
    if num_clips > 1:
        assert plan.indices[0, 0] == 0
        assert plan.indices[-1, -1] == len(pts) - 1


def test_regular_clips_see_a_burst_after_a_still_screen() -> None:
    # 10 s without a change, then 80 pictures in 2 s, as a phone writes them: by frame counts at the mean rate
    # a sampler stays in the first pictures.
    pts = np.concatenate([[0.0], 10 + np.arange(80) / 40])
    plan = clips_at_regular_times(pts, end_seconds=12.0, num_clips=4, num_frames_per_clip=2, fps=2.0)
    assert len({index for index in plan.indices.ravel().tolist() if index >= 10}) >= 2
    assert plan.indices[-1, -1] == 80


def test_spans_begin_at_the_first_time_and_end_within_the_recording() -> None:
    pts = 2 + np.arange(50) / 10
    plan = clips_at_regular_times(pts, end_seconds=7.0, num_clips=2, num_frames_per_clip=2, fps=2.0)
    # The last picture begins at 6.9, so the last clip's frames are at 6.4 and 6.9; it would last until 7.4.
    np.testing.assert_allclose(plan.spans_seconds, [[2.0, 3.0], [6.4, 7.0]], atol=1e-9)
    early = clips_at_regular_times(pts, end_seconds=3.0, num_clips=2, num_frames_per_clip=2, fps=2.0)
    np.testing.assert_allclose(early.spans_seconds[-1], [6.4, 6.9], atol=1e-9)


@pytest.mark.parametrize("name", RECORDINGS)
def test_random_clips_are_consecutive_pictures_within_their_part(name: str) -> None:
    pts = RECORDINGS[name]
    for seed in range(20):
        plan = clips_at_random_times(
            seconds(pts),
            end_seconds=float(pts[-1]),
            num_clips=3,
            num_frames_per_clip=2,
            fps=2.0,
            generator=np.random.default_rng(seed),
        )
        free = max(float(pts[-1] - pts[0]) - 0.5, 0.0)
        for clip, (start, end) in enumerate(plan.spans_seconds):
            share = (start - float(pts[0])) / free if free else clip / 3
            assert clip / 3 - 1e-9 <= share <= (clip + 1) / 3 + 1e-9
            assert end >= start
            expected = [shown_at(pts, Fraction(start) + Fraction(frame, 2)) for frame in range(2)]
            assert plan.indices[clip].tolist() == expected


def test_random_clips_reach_every_part_of_the_recording() -> None:
    pts = np.arange(100) / 10
    generator = np.random.default_rng(0)
    starts = [
        clips_at_random_times(
            pts, end_seconds=10.0, num_clips=1, num_frames_per_clip=1, fps=1.0, generator=generator
        ).indices[0, 0]
        for _ in range(2000)
    ]
    # 99 pictures of equal chance (the last begins where the draws end): 20 each on average, and fewer than
    # 4 has a chance below 1e-4 for a given picture.
    counts = np.bincount(starts, minlength=100)
    assert (counts[:99] >= 4).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_clips": 0}, "num_clips must be at least 1, got 0"),
        ({"num_frames_per_clip": 0}, "num_frames_per_clip must be at least 1, got 0"),
        ({"fps": 0.0}, "fps must be positive and finite, got 0.0"),
        ({"fps": float("nan")}, "fps must be positive and finite, got nan"),
        ({"end_seconds": float("inf")}, "end_seconds must be finite, got inf"),
        ({"pts_seconds": np.zeros(0)}, "pts_seconds must be"),
        ({"pts_seconds": np.zeros((2, 2))}, "pts_seconds must be"),
        ({"pts_seconds": np.array([0.0, 2.0, 1.0])}, "pts_seconds must not decrease, got 1.0 after 2.0"),
        ({"pts_seconds": np.array([0.0, np.nan])}, "pts_seconds must be finite, got nan"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "pts_seconds": np.arange(10) / 10,
        "end_seconds": 1.0,
        "num_clips": 2,
        "num_frames_per_clip": 2,
        "fps": 2.0,
    }
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        clips_at_regular_times(**(arguments | change))
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        clips_at_random_times(**(arguments | change), generator=np.random.default_rng(0))


def test_plans_refuse_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(3, 2\)"):
        ClipPlan(np.zeros((2, 3), dtype=np.int64), np.zeros((3, 2)))


@pytest.mark.parametrize("name", ["regular", "random", "clipbert"])
@pytest.mark.parametrize("random", [False, True])
def test_built_samplers_draw_from_their_generator_only(name: str, random: bool) -> None:
    decoder = FakeDecoder("a", fake_recording(100, start_seconds=2.0))
    sampler = build_clip_sampler(name, random=random, num_clips=3, num_frames_per_clip=2, fps=2.0)  # type: ignore[arg-type]
    copy = pickle.loads(pickle.dumps(sampler))
    plans = [sample(decoder, np.random.default_rng(seed)) for seed in (1, 2) for sample in (sampler, copy)]
    assert plans[0].indices.shape == (3, 2)
    np.testing.assert_array_equal(plans[0].indices, plans[1].indices)
    is_drawn = random or name == "random"
    assert (plans[0].indices.tolist() != plans[2].indices.tolist()) == is_drawn
    assert (np.diff(plans[0].spans_seconds[:, 0]) >= 0).all()
    assert plans[0].spans_seconds.min() >= 2.0
    assert plans[0].spans_seconds.max() <= 12.0


def test_the_regular_sampler_uses_the_recording_s_own_times() -> None:
    decoder = FakeDecoder("a", fake_recording(50, start_seconds=2.0))
    plan = build_clip_sampler("regular", random=False, num_clips=2, num_frames_per_clip=2, fps=2.0)(
        decoder, np.random.default_rng(0)
    )
    assert plan.indices.tolist() == [[0, 5], [44, 49]]


def test_an_unknown_sampler_is_named() -> None:
    with pytest.raises(ValueError, match="regular, random, clipbert, screen_changes, got 'uniform'"):
        build_clip_sampler("uniform", random=False, num_clips=1, num_frames_per_clip=1, fps=1.0)  # type: ignore[arg-type]
