"""Frames that the original chose, in 2349 calls on nine videos.

The fixture holds, for each video, what its header says, the timestamps of its pictures in ticks, and rows of
(fraction of the free part before the clip as numerator and denominator, frames per clip, fps, chosen frames).
`uniform.json`: the 81 calls with its "uniform" strategy, one clip over the whole recording: frames per clip
-> chosen frames, the same for every fps.
"""

import json
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clipbug.data.decoding.base import DeclaredTiming
from clipbug.data.decoding.open import open_media
from clipbug.data.sampling.clip_sampling import build_clip_sampler, clips_as_clipbert
from clipbug.data.sampling.clipbert_sampling import whole_as_clipbert
from tests.helpers.fake_media import FakeDecoder, fake_recording
from tests.helpers.video_factory import make_video, read_index

VIDEOS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "sampling" / "frame_indices.json").read_text()
)
UNIFORM: dict[str, dict[str, list[int]]] = json.loads(
    (Path(__file__).parent / "sampling" / "uniform.json").read_text()
)
OFFSET = "v30fps_90_start2s.mp4"
SAME_AT_ZERO = "v30fps_90.mp4"


def times_of(video: dict[str, Any]) -> tuple[NDArray[np.float64], DeclaredTiming | None]:
    base = tuple(video["time_base"])
    pts_seconds = np.array(video["pts"]) * base[0] / base[1]
    if not (video["num_frames"] and video["duration_ticks"]):
        return pts_seconds, None
    return pts_seconds, DeclaredTiming(base, video["num_frames"], video["duration_ticks"])


def chosen(video: dict[str, Any], fraction: float, num_frames: int, fps: float) -> list[int]:
    pts_seconds, declared = times_of(video)
    plan = clips_as_clipbert(
        pts_seconds,
        end_seconds=float(pts_seconds[-1]),
        average_fps=video["average_fps"],
        declared=declared,
        start_fractions=[fraction],
        num_frames_per_clip=num_frames,
        fps=fps,
    )
    assert plan.spans_seconds[0, 0] == pts_seconds[plan.indices[0, 0]]
    row: list[int] = plan.indices[0].tolist()
    return row


@pytest.mark.parametrize("name", [name for name in VIDEOS if name != OFFSET])
def test_every_choice_is_the_original_s(name: str) -> None:
    rows = VIDEOS[name]["rows"]
    assert len(rows) == 252
    wrong = [
        (row, got) for row in rows if (got := chosen(VIDEOS[name], row[0] / row[1], row[2], row[3])) != row[4]
    ]
    assert not wrong


@pytest.mark.parametrize("name", [name for name in UNIFORM if name != OFFSET])
def test_one_clip_over_the_whole_recording(name: str) -> None:
    for num_frames, expected in UNIFORM[name].items():
        video = VIDEOS[name]
        pts_seconds, declared = times_of(video)
        plan = whole_as_clipbert(
            pts_seconds,
            end_seconds=float(pts_seconds[-1]),
            declared=declared,
            num_frames_per_clip=int(num_frames),
        )
        assert plan.indices.tolist() == [expected]


def test_the_whole_of_a_recording_that_begins_late() -> None:
    # The original's defect: it loses the pictures past the declared duration, counted from time 0.
    assert UNIFORM[OFFSET] != UNIFORM[SAME_AT_ZERO]
    pts_seconds, declared = times_of(VIDEOS[OFFSET])
    for num_frames, expected in UNIFORM[SAME_AT_ZERO].items():
        plan = whole_as_clipbert(
            pts_seconds, end_seconds=5.0, declared=declared, num_frames_per_clip=int(num_frames)
        )
        assert plan.indices.tolist() == [expected]


@pytest.mark.parametrize("place", ["start", "middle", "end", "uniform"])
def test_a_clip_alone_lies_where_it_is_told(place: Any) -> None:
    decoder = FakeDecoder("a", fake_recording(90, fps=30))
    sampler = build_clip_sampler(
        "clipbert", random=False, num_clips=1, num_frames_per_clip=2, fps=2, single_clip=place
    )
    third = {"start": 0, "middle": 1, "end": 2}.get(place)
    rows = [row for row in VIDEOS[SAME_AT_ZERO]["rows"] if row[:4] == [third, 3, 2, 2]]
    expected = rows[0][4] if rows else UNIFORM[SAME_AT_ZERO]["2"]
    assert sampler(decoder, np.random.default_rng(0)).indices.tolist() == [expected]


def test_a_late_first_picture_changes_nothing_here() -> None:
    # The original's defect: with the first picture at 2 s nearly every clip begins at the first picture.
    for row in VIDEOS[SAME_AT_ZERO]["rows"]:
        assert chosen(VIDEOS[OFFSET], row[0] / row[1], row[2], row[3]) == row[4]
    same = [a[4] == b[4] for a, b in zip(VIDEOS[OFFSET]["rows"], VIDEOS[SAME_AT_ZERO]["rows"], strict=True)]
    assert sum(same) < len(same) / 2


def test_a_header_that_promises_more_gives_the_last_picture() -> None:
    video = VIDEOS[SAME_AT_ZERO] | {"num_frames": 900, "duration_ticks": 460800}
    assert chosen(video, 0.9, 2, 2) == [89, 89]


def test_the_sampler_places_clips_as_the_original_in_evaluation() -> None:
    decoder = FakeDecoder("a", fake_recording(90, fps=30))
    sampler = build_clip_sampler("clipbert", random=False, num_clips=4, num_frames_per_clip=2, fps=2)
    plan = sampler(decoder, np.random.default_rng(0))
    rows = [row for row in VIDEOS[SAME_AT_ZERO]["rows"] if row[1:4] == [4, 2, 2]]
    assert plan.indices.tolist() == [row[4] for row in sorted(rows, key=lambda row: row[0])]


@pytest.mark.parametrize("name", ["v30fps_90.mp4", "v30fps_90.mkv", "vfr_120.mp4", "v10fps_30.gif"])
def test_the_same_files_through_the_decoder_give_the_same_frames(name: str, tmp_path: Path) -> None:
    """Header, rate and times as the decoder tells them, and the picture that it then decodes."""
    uneven = [*range(0, 180, 3), *range(180, 240)]
    make = {
        "v30fps_90.mp4": partial(make_video, num_frames=90, fps=30),
        "v30fps_90.mkv": partial(make_video, num_frames=90, fps=30),
        # Without B-frames, as the fixture's file: with them the header's mean rate would be another.
        "vfr_120.mp4": partial(
            make_video,
            num_frames=120,
            fps=30,
            pts=uneven,
            time_base=Fraction(1, 30),
            options={"bf": "0"},
        ),
        "v10fps_30.gif": partial(make_video, num_frames=30, codec="gif"),
    }[name]
    rows = [row for row in VIDEOS[name]["rows"] if row[1] == 4]
    assert len(rows) == 36
    with open_media(make(tmp_path / name).read_bytes(), media_id=name) as decoder:
        for num_frames, fps in {(row[2], row[3]) for row in rows}:
            sampler = build_clip_sampler(
                "clipbert", random=False, num_clips=4, num_frames_per_clip=num_frames, fps=fps
            )
            plan = sampler(decoder, np.random.default_rng(0))
            expected = [
                row[4] for row in sorted(rows, key=lambda row: row[0]) if row[2:4] == [num_frames, fps]
            ]
            assert plan.indices.tolist() == expected
            pictures = decoder.frames_at(plan.indices.ravel().tolist()).data
            assert [read_index(picture) for picture in pictures] == [i for row in expected for i in row]


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf")])
def test_a_wrong_rate_is_named(rate: float) -> None:
    with pytest.raises(ValueError, match=f"average_fps must be finite and not negative, got {rate}"):
        clips_as_clipbert(
            np.zeros(1),
            end_seconds=0.0,
            average_fps=rate,
            declared=None,
            start_fractions=[0.0],
            num_frames_per_clip=1,
            fps=1.0,
        )
