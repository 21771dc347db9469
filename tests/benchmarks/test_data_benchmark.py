"""The benchmark measures all ways on the same pictures; its numbers are not looked at here."""

from pathlib import Path

import pytest

from clipbug.benchmarks.data_benchmark import measure_data
from clipbug.benchmarks.recordings import write_recording
from clipbug.errors import DataError
from tests.helpers.video_factory import make_video

pytestmark = pytest.mark.slow


def test_every_way_is_measured(tmp_path: Path) -> None:
    write_recording(
        tmp_path / "r.mp4", seconds=3, width=90, height=160, fps=10, motion="still", seed=0, gop=10
    )
    report = measure_data([tmp_path / "r.mp4"], clips=(1, 3), longer_side=80, repeats=1).to_json()
    ways = ["ClipBERT, evaluation", "ClipBERT, training", "decoder alone", "clipbug", "clipbug, prepared"]
    assert [row["way"] for row in report["rows"]] == ways * 2
    assert [row["clips"] for row in report["rows"]] == ["1x2"] * 5 + ["3x2"] * 5
    for row in report["rows"]:
        assert row["frames_per_second"] == pytest.approx(int(row["clips"][0]) * 2 / row["cpu_seconds"])
    assert report["recordings"][0]["num_pictures"] == 30
    assert 0 < report["recordings"][0]["prepared_pictures"] <= 30


def test_different_pictures_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clipbug.benchmarks import data_benchmark

    data = make_video(tmp_path / "r.mp4", num_frames=30)
    original = data_benchmark.decode_clips_as_clipbert
    monkeypatch.setattr(
        data_benchmark, "decode_clips_as_clipbert", lambda *args, **options: original(*args, **options)[::-1]
    )
    with pytest.raises(DataError, match="clipbug and ClipBERT read different frames"):
        measure_data([data], clips=(2,), longer_side=80, repeats=1)


def test_a_recording_that_the_original_cannot_read(tmp_path: Path) -> None:
    file = make_video(tmp_path / "r.mkv", num_frames=10)
    with pytest.raises(DataError, match=r"r\.mkv: the header lacks"):
        measure_data([file], clips=(1,), longer_side=80, repeats=1)
