"""Recordings to measure on are what they say: reproducible, still or moving, of whole groups of pictures."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from clipbug.benchmarks.recordings import write_recording
from clipbug.data.decoding.open import open_media
from clipbug.data.decoding.packets import read_packet_table

pytestmark = pytest.mark.slow


def write(path: Path, motion: Literal["still", "moving"], seed: int = 0) -> bytes:
    write_recording(path, seconds=6.0, width=180, height=320, fps=20, motion=motion, seed=seed, gop=50)
    return path.read_bytes()


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "a.mp4", "still") == write(tmp_path / "b.mp4", "still")
    assert write(tmp_path / "a.mp4", "still") != write(tmp_path / "b.mp4", "still", seed=1)


@pytest.mark.parametrize("motion", ["still", "moving"])
def test_what_a_recording_holds(motion: Literal["still", "moving"], tmp_path: Path) -> None:
    data = write(tmp_path / "r.mp4", motion)
    table = read_packet_table(data, media_id="r")
    assert [place for place, is_key in enumerate(table.is_keyframe) if is_key] == [0, 50, 100]
    with open_media(data, media_id="r") as decoder:
        assert (decoder.metadata.width, decoder.metadata.height) == (180, 320)
        assert (decoder.metadata.num_frames, decoder.metadata.duration_seconds) == (120, 6.0)
        pictures = decoder.frames_at(range(120)).data.astype(np.int16)
    # A pixel that changes by more than 24 levels is more than what coding does to a still one (below 10).
    share_changed = (np.abs(np.diff(pictures, axis=0)).max(axis=(1, 2, 3)) > 24).mean()
    assert share_changed == 1.0 if motion == "moving" else 0.1 < share_changed < 0.6


def test_a_phone_records_a_picture_only_when_the_screen_changes(tmp_path: Path) -> None:
    sizes = {"width": 180, "height": 320, "fps": 20, "seed": 0}
    for motion in ("still", "phone"):
        write_recording(tmp_path / f"{motion}.mp4", seconds=6.0, motion=motion, **sizes)  # type: ignore[arg-type]
    still, phone = ((tmp_path / f"{motion}.mp4").read_bytes() for motion in ("still", "phone"))
    with open_media(still, media_id="still") as constant, open_media(phone, media_id="phone") as variable:
        times = variable.pts_seconds.tolist()
        assert len(times) < 0.6 * 120
        assert set(np.round(times, 4)) <= set(np.round(constant.pts_seconds, 4))
        # What it shows at any time is what the other recording shows, but for coding.
        shown = np.searchsorted(times, constant.pts_seconds + 1e-4) - 1
        ours = variable.frames_at(shown.tolist()).data.astype(np.int16)
        theirs = constant.frames_at(range(120)).data.astype(np.int16)
    assert np.abs(ours - theirs).mean() < 2.0


@pytest.mark.parametrize(("width", "height"), [(181, 320), (32, 320)])
def test_sizes_that_cannot_be(width: int, height: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"got {width} x {height}"):
        write_recording(tmp_path / "r.mp4", seconds=1, width=width, height=height, motion="still", seed=0)
