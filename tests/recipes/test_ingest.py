"""From folders to a store: what gets in, what does not and why, and what a second run does."""

import logging
import os
import random
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from clipbug.data.ingest.find_files import find_media_files
from clipbug.data.ingest.load_files import PrepareSettings
from clipbug.data.ingest.result import IngestReport
from clipbug.data.store.lmdb_environment import DATA_FILE
from clipbug.data.store.store import MediaStore
from clipbug.errors import DataError
from clipbug.recipes.data_store import get_items, list_items, verify_stores
from clipbug.recipes.ingest import ingest
from tests.helpers.video_factory import draw_index, make_video, read_index

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("v") / "v.mp4", num_frames=8).read_bytes()


@pytest.fixture(scope="module")
def other_video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("v") / "v.mp4", num_frames=12).read_bytes()


def picture(index: int) -> bytes:
    return cv2.imencode(".png", draw_index(index))[1].tobytes()


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def run(*paths: Path, store: Path, extensions: tuple[str, ...] = (), **options: object) -> IngestReport:
    arguments: dict[str, object] = {"file_type": "auto", **options}
    return ingest(paths, extensions=extensions, store=store, **arguments)  # type: ignore[arg-type]


def contents(store: Path) -> dict[str, bytes]:
    with MediaStore(store) as opened:
        return {media_id: opened.read(media_id) for media_id in opened.ids()}


def test_folders_are_walked_and_bytes_kept(tmp_path: Path, video: bytes, other_video: bytes) -> None:
    folder = fill(
        tmp_path / "in",
        {
            "a.mp4": video,
            "deep/er/b.MP4": other_video,
            "deep/c.png": picture(5),
            "notes.txt": b"x",
            "DS": b"x",
        },
    )
    report = run(folder, store=tmp_path / "s", extensions=(".mp4", "PNG"))
    assert contents(tmp_path / "s") == {"a": video, "b": other_video, "c": picture(5)}
    assert (report.added, report.already_there, report.bad, report.num_other_files) == (3, 0, (), 2)
    assert report.video_seconds == pytest.approx(0.8 + 1.2)
    assert report.num_bytes == len(video) + len(other_video) + len(picture(5))
    assert report.kinds["video"].files == 2
    assert report.kinds["image"].num_bytes == len(picture(5))
    with MediaStore(tmp_path / "s") as store:
        assert store.entry("b").file_name == "b.MP4"
        assert read_index(store.open("b").frames_at([11]).data[0]) == 11


@pytest.mark.parametrize("extensions", [("mp4",), (".mp4",), ("MP4",), (".Mp4",), ("*.mp4",), ("avi", "mp4")])
def test_ways_to_write_an_extension(extensions: tuple[str, ...], tmp_path: Path) -> None:
    fill(
        tmp_path,
        {"a.mp4": b"", "b.Mp4": b"", "c.avi.txt": b"", "foomp4": b"", ".mp4": b"", ".hidden.mp4": b""},
    )
    found = find_media_files([tmp_path], extensions=extensions, file_type="auto")
    assert [file.name for file in found.files] == ["a.mp4", "b.Mp4"]


def test_known_extensions_by_default(tmp_path: Path) -> None:
    fill(tmp_path, {"a.mp4": b"", "b.png": b"", "c.txt": b"", "d.gif": b"", "e.unknown": b""})

    def names(*paths: Path, file_type: str) -> list[str]:
        found = find_media_files(paths, extensions=(), file_type=file_type)  # type: ignore[arg-type]
        return [file.name for file in found.files]

    assert names(tmp_path, file_type="auto") == ["a.mp4", "b.png", "d.gif"]
    assert names(tmp_path, file_type="video") == ["a.mp4", "d.gif"]
    assert names(tmp_path, file_type="image") == ["b.png", "d.gif"]
    assert names(tmp_path / "e.unknown", file_type="video") == ["e.unknown"]  # named, so wanted


def test_second_run_adds_only_what_is_new(tmp_path: Path, video: bytes, other_video: bytes) -> None:
    folder, store = fill(tmp_path / "in", {"a.mp4": video}), tmp_path / "s"
    assert run(folder, store=store).added == 1
    before = (store / DATA_FILE).read_bytes()
    again = run(folder, store=store)
    assert (again.added, again.already_there) == (0, 1)
    assert again.video_seconds == pytest.approx(0.8)
    assert (store / DATA_FILE).read_bytes() == before
    fill(folder, {"b.mp4": other_video})
    third = run(folder, store=store)
    assert (third.added, third.already_there) == (1, 1)
    assert contents(store) == {"a": video, "b": other_video}


def test_what_is_stored_is_not_decoded_again(
    tmp_path: Path, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "in", {"a.mp4": video})
    run(folder, store=tmp_path / "s")
    monkeypatch.setattr("clipbug.data.ingest.load_files.probe", None)
    assert run(folder, store=tmp_path / "s").already_there == 1


def test_two_files_with_one_id(tmp_path: Path, video: bytes, other_video: bytes) -> None:
    folder = fill(tmp_path / "in", {"x/a.mp4": video, "y/a.avi": other_video, "b.mp4": video})
    with pytest.raises(DataError) as caught:
        run(folder, store=tmp_path / "s")
    for name in ("x/a.mp4", "y/a.avi"):
        assert str(folder / name) in caught.value.message
    assert "Rename" in caught.value.hint
    assert not (tmp_path / "s").exists()


def test_the_same_file_named_twice_counts_once(tmp_path: Path, video: bytes) -> None:
    folder = fill(tmp_path / "in", {"a.mp4": video, "notes.txt": b"x"})
    (folder / "loop").symlink_to(folder)
    assert run(folder, store=tmp_path / "s").num_other_files == 1
    (tmp_path / "link").symlink_to(folder)
    report = run(folder, folder / "a.mp4", tmp_path / "link", store=tmp_path / "t")
    assert (report.added, report.already_there) == (1, 0)


def test_linked_folders_are_walked(tmp_path: Path, video: bytes) -> None:
    fill(tmp_path / "elsewhere", {"a.mp4": video})
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    assert run(tmp_path / "in", store=tmp_path / "s").added == 1


@pytest.mark.parametrize("same_size", [True, False])
def test_stored_id_with_other_bytes(
    same_size: bool, tmp_path: Path, video: bytes, other_video: bytes
) -> None:
    store = tmp_path / "s"
    run(fill(tmp_path / "one", {"a.mp4": video}), store=store)
    changed = video[:-1] + b"?" if same_size else other_video
    folder = fill(tmp_path / "two", {"0.mp4": other_video, "a.mp4": changed})
    with pytest.raises(DataError) as caught:
        run(folder, store=store)
    for part in (str(folder / "a.mp4"), str(store), "a.mp4,"):
        assert part in caught.value.message
    assert "Rename" in caught.value.hint
    assert contents(store) == {"a": video}, "nothing was stored, not even what came before the clash"


def test_bad_files_are_named_and_never_stored(tmp_path: Path, video: bytes) -> None:
    folder = fill(
        tmp_path / "in",
        {
            "a_good.mp4": video,
            "b_text.mp4": b"<html>not found</html>",
            "c_empty.mp4": b"",
            "d_garbage.mp4": b"\x00\x01" * 5000,
            "e_cut.mp4": video[: len(video) // 2],
            "f_cut.png": picture(3)[:-30],
            "g_good.png": picture(7),
        },
    )
    report = run(folder, store=tmp_path / "s")
    assert contents(tmp_path / "s") == {"a_good": video, "g_good": picture(7)}
    reasons = {bad.path.stem: bad.reason for bad in report.bad}
    assert list(reasons) == ["b_text", "c_empty", "d_garbage", "e_cut", "f_cut"]
    for name, words in {
        "b_text": "text file",
        "c_empty": "empty",
        "d_garbage": "not a recording",
        "e_cut": "cut off",
        "f_cut": "cut off",
    }.items():
        assert words in reasons[name]
        assert not reasons[name].startswith(name)
    assert report.to_json()["bad"][0] == {"file": str(folder / "b_text.mp4"), "reason": reasons["b_text"]}
    again = run(folder, store=tmp_path / "s")
    assert (again.added, again.already_there, len(again.bad)) == (0, 2, 5)


def test_only_bad_files_make_no_store(tmp_path: Path) -> None:
    report = run(fill(tmp_path / "in", {"a.mp4": b""}), store=tmp_path / "s")
    assert (report.added, len(report.bad), report.num_bytes) == (0, 1, 0)
    assert not (tmp_path / "s").exists()


def test_a_bad_file_that_was_mended_gets_in(tmp_path: Path, video: bytes) -> None:
    folder = fill(tmp_path / "in", {"a.mp4": video[:100]})
    assert len(run(folder, store=tmp_path / "s").bad) == 1
    fill(folder, {"a.mp4": video})
    assert run(folder, store=tmp_path / "s").added == 1


def test_file_type_is_checked_against_the_content(tmp_path: Path, video: bytes) -> None:
    gif = make_video(tmp_path / "moving.gif", num_frames=3, codec="gif").read_bytes()
    still = make_video(tmp_path / "still.gif", num_frames=1, codec="gif").read_bytes()
    folder = fill(
        tmp_path / "in",
        {"a.mp4": video, "b.png": picture(1), "c.mp4": picture(2), "d.gif": gif, "e.gif": still},
    )
    extensions = ("mp4", "png", "gif")
    videos = run(folder, store=tmp_path / "v", extensions=extensions, file_type="video")
    assert sorted(contents(tmp_path / "v")) == ["a", "d"]
    assert [bad.path.name for bad in videos.bad] == ["b.png", "c.mp4", "e.gif"]
    assert "still image" in videos.bad[0].reason
    images = run(folder, store=tmp_path / "i", extensions=extensions, file_type="image")
    assert sorted(contents(tmp_path / "i")) == ["b", "c", "e"]
    assert "a recording (h264)" in images.bad[0].reason
    assert run(folder, store=tmp_path / "all", extensions=extensions).added == 5


def test_broken_link_is_a_bad_file(tmp_path: Path, video: bytes) -> None:
    folder = fill(tmp_path / "in", {"a.mp4": video})
    (folder / "b.mp4").symlink_to(tmp_path / "gone.mp4")
    report = run(folder, store=tmp_path / "s")
    assert [(bad.path.name, bad.reason) for bad in report.bad] == [
        ("b.mp4", "the file cannot be read: No such file or directory")
    ]


def test_nothing_to_ingest(tmp_path: Path, video: bytes) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no file with extension mp4") as caught:
        run(tmp_path / "empty", store=tmp_path / "s", extensions=("mp4",))
    assert "no files at all" in caught.value.hint
    folder = fill(tmp_path / "in", {"a.avi": video, "b.avi": video, "c.txt": b"x", "Makefile": b"x"})
    with pytest.raises(DataError) as caught:
        run(folder, store=tmp_path / "s", extensions=("mp4", "webm"))
    assert "mp4, webm" in caught.value.message
    assert str(folder) in caught.value.message
    assert "avi (2)" in caught.value.hint
    assert "none (1)" in caught.value.hint
    assert f"clipbug ingest {folder} --ext avi" in caught.value.hint
    with pytest.raises(DataError, match="there is no file or folder"):
        run(tmp_path / "absent", store=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_store_in_a_folder_of_videos_is_refused(tmp_path: Path, video: bytes) -> None:
    folder = fill(tmp_path / "in", {"a.mp4": video})
    with pytest.raises(DataError, match="is not a store"):
        run(folder, store=folder)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Ctrl-C while the file `name` is looked at."""
    from clipbug.data.ingest import load_files as file_loading

    load_file: Callable[..., object] = file_loading.load_file

    def interrupted(file: Path, **options: object) -> object:
        if file.name == name:
            raise KeyboardInterrupt
        return load_file(file, **options)

    monkeypatch.setattr(file_loading, "load_file", interrupted)


def test_interrupt_keeps_what_is_done_and_the_next_run_goes_on(
    tmp_path: Path, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, store = fill(tmp_path / "in", {f"{name}.mp4": video for name in "abcdef"}), tmp_path / "s"
    with monkeypatch.context() as patch:
        interrupt_at(patch, "d.mp4")
        with pytest.raises(KeyboardInterrupt):
            run(folder, store=store)
    assert contents(store) == dict.fromkeys("abc", video)
    report = run(folder, store=store)
    assert (report.added, report.already_there) == (3, 3)
    assert contents(store) == dict.fromkeys("abcdef", video)


def test_batches_are_committed_as_they_fill(
    tmp_path: Path, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in full batches is in the store even if the process is killed without a chance to clean up."""
    from clipbug.data.store.store import StoreWriter

    sizes: list[int] = []
    original = StoreWriter.put_many

    def counting(writer: StoreWriter, items: object, **options: object) -> None:
        rows = list(items)  # type: ignore[call-overload]
        sizes.append(len(rows))
        original(writer, rows, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(StoreWriter, "put_many", counting)
    monkeypatch.setattr("clipbug.recipes.ingest._MAX_BATCH_ITEMS", 2)
    folder = fill(tmp_path / "in", {f"{name}.mp4": video for name in "abcde"})
    run(folder, store=tmp_path / "s")
    assert sizes == [2, 2, 1]
    sizes.clear()
    monkeypatch.setattr("clipbug.recipes.ingest._MAX_BATCH_ITEMS", 1000)
    monkeypatch.setattr("clipbug.recipes.ingest._MAX_BATCH_BYTES", 3 * len(video))
    run(folder, store=tmp_path / "t")
    assert sizes == [3, 2]


def test_several_processes_give_the_same_store(tmp_path: Path, video: bytes, other_video: bytes) -> None:
    folder = fill(tmp_path / "in", {"a.mp4": video, "b.mp4": other_video, "c.mp4": b"", "d.png": picture(1)})
    one = run(folder, store=tmp_path / "one")
    two = run(folder, store=tmp_path / "two", num_workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert {**one.to_json(), "store": ""} == {**two.to_json(), "store": ""}
    with MediaStore(tmp_path / "one") as first, MediaStore(tmp_path / "two") as second:
        assert [first.entry(media_id) for media_id in "abd"] == [second.entry(media_id) for media_id in "abd"]


INGEST = """
import sys
from pathlib import Path
from clipbug.recipes.data_store import list_items
from clipbug.recipes.ingest import ingest
ingest([Path(sys.argv[1])], extensions=["mp4"], file_type="video", store=Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_and_run_again(tmp_path: Path, video: bytes) -> None:
    folder, store = fill(tmp_path / "in", {f"v{index:04}.mp4": video for index in range(400)}), tmp_path / "s"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen([sys.executable, "-c", INGEST, str(folder), str(store)], env=environment)
    time.sleep(1.0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if (store / DATA_FILE).exists():
        assert set(contents(store).values()) <= {video}
    report = run(folder, store=store)
    assert report.added + report.already_there == 400
    assert len(contents(store)) == 400


def test_progress_and_report_say_what_was_done(
    tmp_path: Path, video: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "clipbug")
    report = run(fill(tmp_path / "in", {"a.mp4": video, "b.mp4": b""}), store=tmp_path / "s")
    assert "ingest: 2/2 files" in caplog.text
    assert report.to_json() == {
        "store": str(tmp_path / "s"),
        "added": 1,
        "already_there": 0,
        "num_bytes": len(video),
        "video_seconds": pytest.approx(0.8),
        "kinds": {"video": {"files": 1, "num_bytes": len(video), "video_seconds": pytest.approx(0.8)}},
        "bad": [{"file": str(tmp_path / "in" / "b.mp4"), "reason": "the file is empty (0 bytes)"}],
        "num_other_files": 0,
        "prepared": 0,
        "not_prepared": [],
        "narrow": [],
        "damaged": 0,
        "notes": [],
    }


def test_recording_that_changes_its_size_is_stored_with_a_note(tmp_path: Path) -> None:
    sizes = [(64, 160), (160, 64), (32, 80)]
    parts = [
        make_video(tmp_path / f"{index}.ts", num_frames=3, size=size, first_pts=3 * index).read_bytes()
        for index, size in enumerate(sizes)
    ]
    report = run(fill(tmp_path / "in", {"a.ts": b"".join(parts), "b.ts": parts[0]}), store=tmp_path / "s")
    assert (report.added, report.bad) == (2, ())
    (note,) = report.to_json()["notes"]
    assert note["file"] == str(tmp_path / "in" / "a.ts")
    assert "160x64, later 64x160 and 80x32" in note["note"]
    items = list_items(tmp_path / "s", match=None, limit=None).payload["items"]
    assert [item["other_sizes"] for item in items] == [["64x160", "80x32"], []]
    with MediaStore(tmp_path / "s") as store:
        assert store.entry("a").other_sizes == ((64, 160), (80, 32))


def test_prepared_beside_the_originals_and_on_a_store_that_is_there(tmp_path: Path, video: bytes) -> None:
    folder, store = fill(tmp_path / "in", {"a.mp4": video, "b.png": picture(1)}), tmp_path / "s"
    assert run(folder, store=store).prepared == 0
    settings = PrepareSettings(80)
    first = run(folder, store=store, prepare=settings)
    assert (first.added, first.already_there, first.prepared, first.not_prepared) == (0, 2, 1, ())
    again = run(folder, store=store, prepare=settings)
    assert (again.added, again.already_there, again.prepared) == (0, 2, 0)
    assert contents(store) == {"a": video, "b": picture(1)}
    with MediaStore(store) as opened:
        assert opened.entry("a").is_prepared_for(80)
        assert opened.entry("b").prepared is None  # a picture is small as it is
        assert read_index(opened.open("a", longer_side=80).frames_at([7]).data[0]) == 7
    other = run(folder, store=store, prepare=PrepareSettings(40))
    assert other.prepared == 1
    with MediaStore(store) as opened:
        assert not opened.entry("a").is_prepared_for(80)


@pytest.mark.parametrize("is_there_before", [False, True])
def test_originals_dropped(is_there_before: bool, tmp_path: Path, video: bytes, other_video: bytes) -> None:
    folder, store = fill(tmp_path / "in", {"a.mp4": video, "b.png": picture(1)}), tmp_path / "s"
    if is_there_before:
        run(folder, store=store)
    fill(folder, {"c.mp4": other_video})
    settings = {"prepare": PrepareSettings(80), "drop_original": True}
    report = run(folder, store=store, **settings)
    assert report.prepared == 2
    assert report.added == (1 if is_there_before else 3)
    with MediaStore(store) as opened:
        assert list(opened.ids()) == ["a", "b", "c"]
        assert [opened.entry(media_id).has_original for media_id in "abc"] == [False, True, False]
        assert opened.read("b") == picture(1)
        decoder = opened.open("c")
        assert read_index(decoder.frames_at([11]).data[0]) == 11
        assert decoder.metadata.num_frames == 12
    again = run(folder, store=store, **settings)
    assert (again.added, again.already_there, again.prepared) == (0, 3, 0)
    fill(tmp_path / "other", {"a.mp4": other_video})
    with pytest.raises(DataError, match="contains another file"):  # known by its hash, though it is not there
        run(tmp_path / "other", store=store)


def test_dropping_needs_a_prepared_form(tmp_path: Path, video: bytes) -> None:
    with pytest.raises(DataError, match="needs the prepared form"):
        run(fill(tmp_path / "in", {"a.mp4": video}), store=tmp_path / "s", drop_original=True)


def test_what_is_damaged_keeps_its_original(tmp_path: Path) -> None:
    """Damaged in the middle: what can be read is prepared, and named; the rest may be mended yet."""
    data = bytearray(make_video(tmp_path / "v.mp4", num_frames=80, options={"g": "10"}).read_bytes())
    start = data.index(b"mdat") + 4
    size = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    data[start + size // 3 : start + size // 2] = bytes(size // 2 - size // 3)
    folder = fill(tmp_path / "in", {"a.mp4": bytes(data)})
    report = run(folder, store=tmp_path / "s", prepare=PrepareSettings(80), drop_original=True)
    assert (report.added, report.prepared, report.bad) == (1, 1, ())
    [(path, note)] = report.notes
    assert path.name == "a.mp4"
    assert "frames between" in note
    assert report.to_json()["notes"] == [{"file": str(path), "note": note}]
    assert contents(tmp_path / "s") == {"a": bytes(data)}
    with MediaStore(tmp_path / "s") as store:
        assert store.entry("a").notes == (note,)
        assert 20 < store.entry("a").num_frames < 80
    again = run(folder, store=tmp_path / "s", prepare=PrepareSettings(80), drop_original=True)
    assert (again.added, again.already_there) == (0, 1)
    assert contents(tmp_path / "s") == {"a": bytes(data)}


def test_raw_copies_and_the_next_run_looks(tmp_path: Path, video: bytes) -> None:
    folder = fill(
        tmp_path / "in",
        {"a.mp4": video, "b.png": picture(2), "c.mp4": b"<html>", "d.mp4": video[: len(video) // 2]},
    )
    raw = run(folder, store=tmp_path / "s", raw=True)
    assert (raw.added, [file.path.name for file in raw.bad]) == (2, ["c.mp4", "d.mp4"])
    assert raw.kinds["video"].num_bytes == len(video)
    with MediaStore(tmp_path / "s") as opened:
        assert opened.stored_entry("a") is None
        assert opened.entry("a").num_frames == 8  # probed when asked
        assert opened.read("a") == video
    assert run(folder, store=tmp_path / "s", raw=True).already_there == 2
    looked = run(folder, store=tmp_path / "s", prepare=PrepareSettings(80))
    assert (looked.added, looked.already_there, looked.prepared) == (0, 2, 1)
    with MediaStore(tmp_path / "s") as opened:
        entry = opened.stored_entry("a")
        assert entry is not None
        assert entry.is_prepared_for(80)
    assert contents(tmp_path / "s") == {"a": video, "b": picture(2)}


def test_a_file_that_crashes_its_process_is_a_bad_file(
    tmp_path: Path, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clipbug.data.ingest import load_files as file_loading

    monkeypatch.setattr(file_loading, "load_file", crash_on_b)
    folder = fill(tmp_path / "in", {"a.mp4": video, "b.mp4": video, "c.mp4": video})
    report = run(folder, store=tmp_path / "s", num_workers=1)
    assert [(file.path.name, file.reason) for file in report.bad] == [
        ("b.mp4", "decoding it crashed (SIGSEGV)")
    ]
    assert sorted(contents(tmp_path / "s")) == ["a", "c"]


def crash_on_b(file: Path, **options: Any) -> object:
    """What native code can do."""
    from clipbug.data.ingest.load_files import load_file

    if file.stem == "b":
        os.kill(os.getpid(), signal.SIGSEGV)
    return load_file(file, **options)


@pytest.mark.slow
@pytest.mark.alone
def test_killed_at_fifty_moments(tmp_path: Path, video: bytes) -> None:
    """Every time the store opens and all that it holds is whole; at the end nothing is missing."""
    files = {f"v{index:04}.mp4": video + index.to_bytes(4, "big") for index in range(3000)}
    folder, store = fill(tmp_path / "in", files), tmp_path / "s"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    draw, counts = random.Random(0), []
    for _ in range(50):
        code = INGEST.replace("ingest([", "ingest_module._MAX_BATCH_ITEMS = 25\ningest([").replace(
            "import sys\n", "import sys\nimport clipbug.recipes.ingest as ingest_module\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code, str(folder), str(store)], env=environment)
        time.sleep(draw.uniform(0.2, 1.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (store / DATA_FILE).exists():
            with MediaStore(store) as opened:
                ids = list(opened.ids())
                assert len(opened) == len(ids)
                counts.append(len(ids))
            assert verify_stores([store]).bad == ()
    assert counts == sorted(counts), "what was there once stays"
    assert 0 < counts[0] < counts[-1]
    report = run(folder, store=store)
    assert report.added + report.already_there == 3000
    assert contents(store) == {name.removesuffix(".mp4"): data for name, data in files.items()}


def test_pictures_and_recordings_too_narrow_to_read_are_named(tmp_path: Path) -> None:
    page = cv2.imencode(".png", cv2.resize(draw_index(1), (100, 1200)))[1].tobytes()
    strip = make_video(tmp_path / "strip.mp4", num_frames=2, size=(32, 320)).read_bytes()
    folder = fill(tmp_path / "in", {"page.png": page, "strip.mp4": strip, "screen.png": picture(1)})
    for _ in range(2):  # they are named again by a run that finds them stored
        report = run(folder, store=tmp_path / "s")
        assert [file.path.name for file in report.narrow] == ["page.png", "strip.mp4"]
    assert report.narrow[0].reason.startswith(
        "100 x 1200 pixels: scaled to 448 pixels, 37 pixels of its width"
    )
    assert report.narrow[1].reason.startswith(
        "320 x 32 pixels: scaled to 448 pixels, 44 pixels of its height"
    )
    assert sorted(contents(tmp_path / "s")) == ["page", "screen", "strip"]


def test_names_that_differ_in_their_unicode_form_only_are_named(tmp_path: Path, video: bytes) -> None:
    names = [unicodedata.normalize(form, "Café") for form in ("NFC", "NFD")]
    folders = [tmp_path / form for form in ("one", "two")]
    for folder, name in zip(folders, names, strict=True):
        folder.mkdir()
        (folder / f"{name}.mp4").write_bytes(video)
    store = tmp_path / "s"
    with pytest.raises(DataError, match=r"two Unicode forms: .*Caf\\xe9.*Cafe\\u0301"):
        ingest(folders, extensions=(), file_type="auto", store=store)
    assert ingest(folders[:1], extensions=(), file_type="auto", store=store).added == 1
    with pytest.raises(DataError, match=r"Cafe\\u0301.*contains .*Caf\\xe9.*another Unicode form"):
        ingest(folders[1:], extensions=(), file_type="auto", store=store)
    assert ingest(folders[:1], extensions=(), file_type="auto", store=store).already_there == 1
    assert list(MediaStore(store).ids()) == names[:1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("raw", [False, True], ids=["looked at", "raw"])
def test_what_is_no_file_is_named_at_once(tmp_path: Path, raw: bool) -> None:
    """Opening a pipe would wait for ever, reading a device would not end."""
    folder = fill(tmp_path / "in", {"a.png": picture(1)})
    os.mkfifo(folder / "pipe.mp4")
    (folder / "link.png").symlink_to("pipe.mp4")
    (folder / "zero.png").symlink_to("/dev/zero")
    named = tmp_path / "named"
    os.mkfifo(named)
    report = run(folder, named, store=tmp_path / "store", raw=raw)
    assert report.added == 1
    assert {(bad.path.name, bad.reason) for bad in report.bad} == {
        ("pipe.mp4", "it is a named pipe, not a file"),
        ("link.png", "it is a named pipe, not a file"),
        ("zero.png", "it is a device, not a file"),
        ("named", "it is a named pipe, not a file"),
    }


def test_a_name_that_windows_forbids_is_written_as_one_that_it_allows(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {"a:b?.png": picture(1)})
    run(folder, store=tmp_path / "store")
    written = get_items(tmp_path / "store", ["a:b?"], output=tmp_path / "out").payload["written"]
    assert written == [str(tmp_path / "out" / "a_b_.png")]
