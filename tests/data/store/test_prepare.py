"""The prepared form: the pictures of the recording under its own times, few of them stored, none lost."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clipbug.benchmarks.recordings import write_recording
from clipbug.config.data import Resize
from clipbug.data.decoding.prepared import PreparedDecoder
from clipbug.data.decoding.pyav import PyAvDecoder
from clipbug.data.loading.visuals import VisualReader
from clipbug.data.media import MediaEntry
from clipbug.data.sampling.clip_sampling import build_clip_sampler
from clipbug.data.store.prepare import PrepareSettings, prepare
from clipbug.data.store.probe import probe
from clipbug.data.store.rewrite import rewrite_store
from clipbug.data.store.store import MediaStore, StoreWriter
from clipbug.errors import DataError, DecodeError
from tests.helpers.video_factory import draw_index, make_video, read_index

REPOSITORY = Path(__file__).parents[3]
HELD = [0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 0, 0, 5]
"""Numbers that 18 pictures show: still, a burst, still ..."""


def held_recording(folder: Path, **options: Any) -> bytes:
    pictures = [draw_index(number) for number in HELD]
    return make_video(
        folder / "r.mp4", num_frames=len(HELD), pictures=pictures, **{"options": {"bf": "3"}, **options}
    ).read_bytes()


def prepared(data: bytes, **settings: Any) -> tuple[MediaEntry, bytes, PreparedDecoder]:
    entry, form = prepare(
        data,
        probe(data, media_id="r", file_name="r.mp4"),
        PrepareSettings(**{"longer_side": 160, **settings}),
    )

    def read(slices: Sequence[tuple[int, int]]) -> list[bytes]:
        return [form[start:end] for start, end in slices]

    return entry, form, PreparedDecoder(entry, read)


def numbers(pictures: NDArray[np.uint8]) -> list[int]:
    return [read_index(picture) for picture in pictures]


@pytest.mark.parametrize("options", [{}, {"first_pts": 30}, {"pts": [index**2 for index in range(18)]}])
def test_all_pictures_and_times_of_the_recording(options: dict[str, Any], tmp_path: Path) -> None:
    data = held_recording(tmp_path, **options)
    entry, _, form = prepared(data)
    with PyAvDecoder(data, media_id="r") as original:
        assert np.array_equal(form.pts_seconds, original.pts_seconds)
        assert replace(form.metadata, width=160, height=64) == original.metadata
        indices = [17, 3, 0, 9, 3, 14, 15]
        wanted, got = original.frames_at(indices), form.frames_at(indices)
    assert numbers(got.data) == [HELD[index] for index in indices]
    assert np.array_equal(got.pts_seconds, wanted.pts_seconds)
    difference = np.abs(got.data.astype(int) - wanted.data.astype(int))
    assert entry.prepared is not None
    assert difference.max() <= entry.prepared.max_difference
    assert difference.mean() <= 2 * entry.prepared.mean_difference  # of 7 pictures, against the mean of all


def test_equal_pictures_are_stored_and_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clipbug.data.decoding import prepared as module

    entry, _, form = prepared(held_recording(tmp_path))
    assert entry.prepared is not None
    assert entry.prepared.num_pictures == 7  # 0 1 2 3 4 0 5: it went back to 0
    decoded: list[bytes] = []
    original = module.decode_picture
    monkeypatch.setattr(module, "decode_picture", lambda jpeg: decoded.append(jpeg) or original(jpeg))
    assert numbers(form.frames_at([5, 6, 7, 8, 9, 10, 11, 5]).data) == [3] * 8
    assert len(decoded) == 1


def test_the_stated_difference_is_that_of_all_pictures(tmp_path: Path) -> None:
    write_recording(tmp_path / "r.mp4", seconds=4, width=180, height=320, motion="still", seed=1)
    data = (tmp_path / "r.mp4").read_bytes()
    entry, _, form = prepared(data, longer_side=160)
    assert entry.prepared is not None
    with PyAvDecoder(data, media_id="r") as original:
        wanted = original.frames_at(range(120), size=(160, 90)).data.astype(int)
    difference = np.abs(form.frames_at(range(120)).data.astype(int) - wanted)
    assert entry.prepared.num_pictures < 60
    assert difference.max() == entry.prepared.max_difference
    assert difference.mean() == pytest.approx(entry.prepared.mean_difference, abs=6e-4)  # stored to 3 digits


def test_fewer_checks_are_stated_and_keep_the_times(tmp_path: Path) -> None:
    data = held_recording(tmp_path)  # 10 pictures per second
    entry, _, form = prepared(data, checks_per_second=5.0)
    assert entry.prepared is not None
    assert entry.prepared.checks_per_second == 5.0
    shown = numbers(form.frames_at(range(18)).data)
    assert shown == [HELD[index - index % 2] for index in range(18)]  # every second one was looked at


def test_sizes(tmp_path: Path) -> None:
    data = held_recording(tmp_path)
    entry, _, form = prepared(data, longer_side=80)
    assert form.frames_at([3]).data.shape == (1, 32, 80, 3)
    assert numbers(form.frames_at([3, 17], size=(16, 40)).data) == [1, 5]
    assert entry.is_prepared_for(80)
    assert not entry.is_prepared_for(81)
    large, _, _ = prepared(data, longer_side=1000)
    assert large.prepared is not None
    assert (large.prepared.height, large.prepared.width) == (64, 160), "recordings are not enlarged"
    assert large.is_prepared_for(1000)


@pytest.mark.parametrize("indices", [[18], [-1]])
def test_index_outside(indices: list[int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="18 frames"):
        prepared(held_recording(tmp_path))[2].frames_at(indices)


@pytest.mark.parametrize("num_bytes", [0, 2, 20, -400])
def test_a_form_that_is_cut_off_is_named(num_bytes: int, tmp_path: Path) -> None:
    entry, form, _ = prepared(held_recording(tmp_path))
    cut = form[:num_bytes]

    def open_and_read() -> None:
        PreparedDecoder(entry, lambda slices: [cut[start:end] for start, end in slices]).frames_at([17])

    with pytest.raises(DecodeError, match="r: the prepared form is damaged"):
        open_and_read()


def store_with_form(folder: Path, *, has_original: bool = True, longer_side: int = 80) -> Path:
    data = held_recording(folder)
    entry, form, _ = prepared(data, longer_side=longer_side)
    with StoreWriter(folder / "store") as writer:
        writer.put_many([(replace(entry, has_original=has_original), data)], forms={"r": form})
    return folder / "store"


def test_a_store_opens_what_is_large_enough(tmp_path: Path) -> None:
    store = MediaStore(store_with_form(tmp_path))
    assert isinstance(store.open("r", longer_side=80), PreparedDecoder)
    assert isinstance(store.open("r", longer_side=40), PreparedDecoder)
    assert isinstance(store.open("r", longer_side=160), PyAvDecoder)
    assert isinstance(store.open("r"), PyAvDecoder)
    assert list(store.ids()) == ["r"]
    assert len(store) == 1


def test_a_store_without_originals(tmp_path: Path) -> None:
    store = MediaStore(store_with_form(tmp_path, has_original=False))
    assert "r" in store
    assert isinstance(store.open("r"), PreparedDecoder)
    with pytest.raises(DataError, match="only the prepared form of 'r'"):
        store.read("r")


def reader(store: Path, max_frame_size: int, *, resize: Resize = "antialiased") -> VisualReader:
    sampler = build_clip_sampler("regular", random=False, num_clips=3, num_frames_per_clip=2, fps=2.0)
    return VisualReader(
        MediaStore(store),
        clip_sampler=sampler,
        max_frame_size=max_frame_size,
        resize=resize,
        augment=False,
    )


@pytest.mark.parametrize("resize", ["antialiased", "clipbert"])
def test_a_sample_is_the_same_with_and_without_the_original(resize: Resize, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    generator = np.random.default_rng(0)
    whole = reader(store_with_form(tmp_path / "a"), 80, resize=resize).read("r", generator)
    alone = reader(store_with_form(tmp_path / "b", has_original=False), 80, resize=resize)
    visual = alone.read("r", generator)
    assert visual.frames.shape == whole.frames.shape == (3, 2, 3, 32, 80)
    assert visual.frame_seconds.equal(whole.frame_seconds)
    assert visual.clip_spans.equal(whole.clip_spans)
    pictures = visual.frames.reshape(6, 3, 32, 80).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    times = visual.frame_seconds.flatten().tolist()
    assert numbers(pictures) == [HELD[round(time * 10)] for time in times]


def test_nothing_is_enlarged_silently(tmp_path: Path) -> None:
    store = store_with_form(tmp_path, has_original=False)
    with pytest.raises(
        DataError, match=r"r: .*longer side of 80 pixels only, max_frame_size is 160"
    ) as caught:
        reader(store, 160).read("r", np.random.default_rng(0))
    assert "max_frame_size=80" in caught.value.hint


REWRITE = """
import sys
from pathlib import Path
from clipbug.data.store.rewrite import rewrite_store
rewrite_store(Path(sys.argv[1]), **{sys.argv[2]: frozenset({"r"})})
"""


def rewrite_elsewhere(path: Path, what: str) -> None:
    """In another process, while this one has the store open."""
    subprocess.run([sys.executable, "-c", REWRITE, str(path), what], check=True, timeout=60, cwd=REPOSITORY)


def test_what_is_left_out_later(tmp_path: Path) -> None:
    path = store_with_form(tmp_path)
    other = make_video(tmp_path / "o.mp4", num_frames=3).read_bytes()
    with StoreWriter(path) as writer:
        writer.put_many([(probe(other, media_id="o", file_name="o.mp4"), other)])
    before = MediaStore(path)
    original = before.read("r")
    with pytest.raises(DataError, match="already open in this process"):
        rewrite_store(path, without=frozenset({"r"}))
    rewrite_elsewhere(path, "without_originals")
    assert before.read("r") == original, "a reader goes on with the file that it has open"
    with MediaStore(path) as after:
        assert not after.entry("r").has_original
        assert isinstance(after.open("r"), PreparedDecoder)
        assert numbers(after.open("r").frames_at([0, 17]).data) == [0, 5]
        assert after.read("o") == other
    before.close()
    assert rewrite_store(path, without=frozenset({"r"})) >= 0
    assert list(MediaStore(path).ids()) == ["o"]
    assert MediaStore(path).prepared_form("r") is None
    assert {file.name for file in path.iterdir()} <= {"data.mdb", "lock.mdb"}


def test_a_writer_that_was_open_meanwhile_is_told(tmp_path: Path) -> None:
    """What it would write to the old file would be lost."""
    path = store_with_form(tmp_path)
    data = make_video(tmp_path / "o.mp4", num_frames=3).read_bytes()
    with StoreWriter(path) as writer:
        rewrite_elsewhere(path, "without")
        with pytest.raises(DataError, match="was rewritten by another command"):
            writer.put_many([(probe(data, media_id="o", file_name="o.mp4"), data)])
