"""The original's way, restated, keeps the rule that tests/golden shows to be the original's."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipbug.benchmarks.clipbert_decoding import decode_clips_as_clipbert, read_clips_as_clipbert
from clipbug.data.decoding.open import open_media
from clipbug.data.sampling.clip_sampling import clips_as_clipbert
from tests.helpers.video_factory import make_video, read_index

pytestmark = pytest.mark.slow

UNEVEN = [*range(0, 60, 3), *range(60, 90)]
VIDEOS: dict[str, dict[str, Any]] = {
    "even": {"num_frames": 90, "fps": 30, "options": {"g": "250", "bf": "3"}},
    "short groups": {"num_frames": 90, "fps": 30, "options": {"g": "20", "bf": "3"}},
    "uneven": {"num_frames": 50, "fps": 30, "pts": UNEVEN, "time_base": Fraction(1, 30)},
    "shorter than a clip": {"num_frames": 7},
}


@pytest.mark.parametrize("name", VIDEOS)
@pytest.mark.parametrize("has_whole_file_pass", [False, True])
def test_frames_are_the_original_s(name: str, has_whole_file_pass: bool, tmp_path: Path) -> None:
    data = make_video(tmp_path / "v.mp4", **VIDEOS[name]).read_bytes()
    fractions = [0.0, 0.25, 0.5, 0.9]
    pictures = decode_clips_as_clipbert(
        data,
        start_fractions=fractions,
        num_frames_per_clip=2,
        fps=2.0,
        has_whole_file_pass=has_whole_file_pass,
    )
    with open_media(data, media_id="v") as decoder:
        plan = clips_as_clipbert(
            decoder.pts_seconds,
            end_seconds=decoder.metadata.duration_seconds,
            average_fps=decoder.metadata.declared_fps or 0.0,
            declared=decoder.metadata.declared,
            start_fractions=fractions,
            num_frames_per_clip=2,
            fps=2.0,
        )
    assert [[read_index(picture) for picture in clip] for clip in pictures] == plan.indices.tolist()


def test_scaled_as_the_original_does(tmp_path: Path) -> None:
    data = make_video(tmp_path / "v.mp4", num_frames=30).read_bytes()
    frames = read_clips_as_clipbert(
        data,
        start_fractions=[0.0, 0.5],
        num_frames_per_clip=2,
        fps=2.0,
        max_frame_size=80,
        has_whole_file_pass=False,
    )
    assert frames.shape == (2, 2, 3, 32, 80)
    numbers = [read_index(np.asarray(frame.permute(1, 2, 0)).astype(np.uint8)) for frame in frames[1]]
    assert numbers == [10, 19]
