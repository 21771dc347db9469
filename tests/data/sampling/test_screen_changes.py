"""Where the screen changes: the signal that ingest keeps, and the clips that are placed by it."""

from typing import Any

import numpy as np
import pytest

from clipbug.data.decoding.changes import change_between, changes_by_size
from clipbug.data.decoding.open import open_media
from clipbug.data.sampling.clip_sampling import (
    build_clip_sampler,
    clips_at_regular_times,
    clips_at_screen_changes,
)
from clipbug.data.store.manifest import decode_entry, encode_entry
from clipbug.data.store.prepare import PrepareSettings, prepare
from clipbug.data.store.probe import probe
from tests.helpers.video_factory import draw_index, make_video, read_index

BURST = range(300, 315)
"""Pictures that differ, 1.5 s in 60 s at 10 per second; before and after the screen stands still."""


@pytest.fixture(scope="module")
def bursty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pictures = [draw_index(max(0, min(index - BURST.start + 1, len(BURST)))) for index in range(600)]
    path = tmp_path_factory.mktemp("v") / "r.mp4"
    return make_video(path, num_frames=600, pictures=pictures, options={"g": "50", "bf": "3"}).read_bytes()


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("v") / "r.mp4", num_frames=60).read_bytes()


@pytest.mark.parametrize("num_clips", [1, 2, 4, 16])
@pytest.mark.parametrize("is_prepared", [False, True])
def test_clips_lie_in_the_burst(num_clips: int, is_prepared: bool, bursty: bytes) -> None:
    """1.5 s of 60, three keyframes on the way: the middles of clips lie in it, however few there are."""
    entry = probe(bursty, media_id="r", file_name="r.mp4")
    if is_prepared:
        entry, _ = prepare(bursty, entry, PrepareSettings(80))
    sampler = build_clip_sampler(
        "screen_changes", random=False, num_clips=num_clips, num_frames_per_clip=2, fps=2.0
    )
    kept = decode_entry(encode_entry(entry))  # as a store keeps it
    with open_media(bursty, media_id="r", packets=kept.packets) as decoder:
        plan = sampler(decoder, np.random.default_rng(0))
        shown = {read_index(picture) for picture in decoder.frames_at(plan.indices.ravel().tolist()).data}
    middles = plan.spans_seconds.mean(axis=1) - 0.25  # a span lasts T / fps, its pictures are 1 / fps apart
    in_burst = (middles > 29.7) & (middles < 31.8)
    # By sizes of packets (here of 12 to 60 bytes) the burst has 4 moments, of which two share a clip's part.
    assert in_burst.sum() >= min(num_clips, 5 if is_prepared else 3)
    assert len(shown) >= min(num_clips + 1, 6 if is_prepared else 4)


def test_clips_at_random_places_of_the_change_lie_in_the_burst_too(bursty: bytes) -> None:
    sampler = build_clip_sampler("screen_changes", random=True, num_clips=4, num_frames_per_clip=2, fps=2.0)
    with open_media(bursty, media_id="r") as decoder:
        plans = [sampler(decoder, np.random.default_rng(seed)) for seed in range(10)]
    for plan in plans:
        middles = plan.spans_seconds.mean(axis=1) - 0.25
        assert ((middles > 29.7) & (middles < 31.8)).sum() >= 2
        assert (np.diff(middles) >= 0).all()
    assert len({tuple(plan.indices.ravel().tolist()) for plan in plans}) > 1


def naive_centers(times: list[float], changes: list[int], num_clips: int) -> list[float]:
    """The rule, word by word, where no moment repeats."""
    moments: dict[int, tuple[int, float]] = {}
    for time, change in zip(times, changes, strict=True):
        slot = int((time - times[0]) // 0.25)
        if change > moments.get(slot, (0, 0.0))[0]:
            moments[slot] = (change, time)
    total = sum(change for change, _ in moments.values())
    centers = []
    for clip in range(num_clips):
        left = (clip + 0.5) / num_clips * total
        for slot in sorted(moments):
            change, time = moments[slot]
            if left < change:
                centers.append(time)
                break
            left -= change
    return centers


@pytest.mark.parametrize("seed", range(20))
def test_places_are_those_of_the_rule(seed: int) -> None:
    draw = np.random.default_rng(seed)
    times = np.cumsum(draw.uniform(0.26, 1.0, 80))  # a moment each
    changes = (draw.integers(0, 60, 80) * (draw.random(80) < 0.7)).astype(np.uint8)
    plan = clips_at_screen_changes(
        times, changes, end_seconds=float(times[-1]), num_clips=5, num_frames_per_clip=3, fps=4.0
    )
    expected = np.array(naive_centers(times.tolist(), changes.tolist(), 5))
    assert len(set(expected)) == 5
    starts = np.clip(expected - 0.25, times[0], times[-1] - 0.5)
    np.testing.assert_allclose(plan.spans_seconds[:, 0], starts, atol=1e-9)
    for row, start in zip(plan.indices, starts, strict=True):
        shown = [int((times <= start + step * 0.25 + 1e-6).sum()) - 1 for step in range(3)]
        assert row.tolist() == shown


def test_without_change_clips_spread() -> None:
    times = np.arange(100) / 10
    plan = clips_at_screen_changes(
        times, np.zeros(100, np.uint8), end_seconds=10.0, num_clips=3, num_frames_per_clip=1, fps=1.0
    )
    np.testing.assert_allclose(plan.spans_seconds[:, 0], [2.475, 4.95, 7.425])


def test_one_picture_and_wrong_shapes() -> None:
    one: dict[str, Any] = {"end_seconds": 7.0, "num_clips": 2, "num_frames_per_clip": 2, "fps": 2.0}
    plan = clips_at_screen_changes(np.array([7.0]), np.zeros(1, np.uint8), **one)
    assert plan.indices.tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ValueError, match=r"changes must be \(3,\) like pts_seconds, got \(2,\)"):
        clips_at_screen_changes(np.arange(3.0), np.zeros(2, np.uint8), **one)


def test_sizes_tell_where_it_changes() -> None:
    sizes = [9000, 50, 60, 55, 2000, 8000, 50, 50, 9000, 50, 60, 55, 3000, 50, 45, 50]
    keys = [index in (0, 8) for index in range(16)]
    changes = changes_by_size(sizes, keys)
    assert np.flatnonzero(changes).tolist() == [4, 5, 12]
    assert changes[5] > changes[12] > changes[4]


def test_a_keyframe_before_its_time_is_a_new_scene() -> None:
    sizes = [9000, *[50] * 7, 9000, *[50] * 3, 9000, *[50] * 7]
    keys = [index in (0, 8, 12) for index in range(20)]
    assert np.flatnonzero(changes_by_size(sizes, keys)).tolist() == [12]


def test_where_all_are_keyframes_differences_of_sizes_tell() -> None:
    sizes = [5000, 5000, 5000, 5400, 5400, 5400]
    assert np.flatnonzero(changes_by_size(sizes, [True] * 6)).tolist() == [3]


def test_pictures_tell_how_much_changes() -> None:
    before = np.zeros((64, 64, 3), np.uint8)
    noisy, letter, page = before.copy(), before.copy(), before + 200
    noisy += 10
    letter[:4, :4] = 255
    assert change_between(before, noisy) == 0
    assert 0 < change_between(before, letter) < change_between(before, page)


def test_what_regular_clips_are_sure_to_see(moving: bytes) -> None:
    """Whatever is shown for longer than the widest gap between two sampled times; nothing shorter."""
    times, count, fps = np.arange(600) / 10, 16, 2.0
    plan = clips_at_regular_times(times, end_seconds=60.0, num_clips=count, num_frames_per_clip=2, fps=fps)
    sampled = times[np.unique(plan.indices)]
    gap = float(np.diff(sampled).max())
    assert gap == pytest.approx((59.9 - 0.5) / (count - 1) - 0.5, abs=0.11)  # 0.1 s from picture to picture
    for start in np.arange(0, 60 - gap - 0.1, 0.1):
        assert ((sampled >= start - 1e-9) & (sampled <= start + gap + 1e-9)).any()
    missed = sampled[int(np.diff(sampled).argmax())] + 0.1
    assert not ((sampled >= missed) & (sampled < missed + gap - 0.2)).any()


def test_regular_clips_see_a_burst_as_before_and_after(bursty: bytes) -> None:
    """A burst that 16 regular clips may fall beside changes the screen for good: that is always seen."""
    sampler = build_clip_sampler("regular", random=False, num_clips=16, num_frames_per_clip=2, fps=2.0)
    with open_media(bursty, media_id="r") as decoder:
        plan = sampler(decoder, np.random.default_rng(0))
        shown = [read_index(picture) for picture in decoder.frames_at(plan.indices.ravel().tolist()).data]
    assert shown[0] == 0
    assert shown[-1] == len(BURST)
    longer = clips_at_regular_times(
        np.arange(600) / 10, end_seconds=60.0, num_clips=32, num_frames_per_clip=2, fps=2.0
    )
    assert ((longer.indices >= BURST.start) & (longer.indices < BURST.stop)).any()  # gaps of 1.4 s
