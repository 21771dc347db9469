"""Stores: nothing lost, nothing half written, every error with the place and the way out."""

import hashlib
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest

from clipbug.data.decoding.open import open_media
from clipbug.data.media import MediaEntry, PacketTable
from clipbug.data.store.manifest import decode_entry, encode_entry
from clipbug.data.store.probe import probe
from clipbug.data.store.store import MediaStore, StoreWriter, open_stores
from clipbug.errors import DataError
from tests.helpers.video_factory import draw_index, make_video, read_index

REPOSITORY = Path(__file__).parents[3]


def entry(media_id: str, data: bytes = b"x") -> MediaEntry:
    return MediaEntry(
        media_id=media_id,
        kind="image",
        file_name=f"{media_id}.png",
        num_bytes=len(data),
        sha256="",
        codec="png",
        width=4,
        height=2,
        num_frames=1,
        duration_seconds=0.0,
        average_fps=0.0,
        rotation_degrees=0,
        is_variable_rate=False,
    )


def fill(path: Path, items: dict[str, bytes]) -> Path:
    with StoreWriter(path) as writer:
        writer.put_many((entry(media_id, data), data) for media_id, data in items.items())
    return path


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own, which may crash, fork or be limited without harm to this one."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


def test_bytes_and_entries_come_back(tmp_path: Path) -> None:
    items = {"b": b"bbb", "a": os.urandom(100_000), "Ünï cödé 😀": b"c", "a/b": b"d"}
    store = MediaStore(fill(tmp_path / "made" / "store", items))
    assert list(store.ids()) == sorted(items, key=str.encode)
    assert len(store) == 4
    for media_id, data in items.items():
        assert media_id in store
        assert store.read(media_id) == data
        assert store.entry(media_id) == entry(media_id, data)
    for absent in ("", "c", "x" * 600, "clipbug/manifest", 7, None):
        assert absent not in store


def test_ids_beyond_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbug.data.store.store._KEYS_PER_READ", 3)
    names = {f"id{index:03}": b"x" for index in range(20)}
    assert list(MediaStore(fill(tmp_path / "s", names)).ids()) == sorted(names)


@pytest.mark.parametrize("seed", range(20))
def test_manifest_entries_come_back(seed: int) -> None:
    draw = random.Random(seed)
    count = draw.choice((0, 1, 2, 50))
    table = PacketTable(
        time_base=(1001, 30000),
        pts=tuple(draw.randrange(-(10**6), 10**12) for _ in range(count)),
        is_keyframe=tuple(draw.random() < 0.3 for _ in range(count)),
        is_shown=tuple(draw.random() < 0.8 for _ in range(count)),
        end_pts=draw.randrange(10**12),
        rotation_degrees=draw.choice((0, 90, 180, 270)),
        has_container_times=draw.random() < 0.5,
        is_mirrored=draw.random() < 0.5,
        coded_size=draw.choice((None, (2160, 3840))),
    )
    sizes = tuple((draw.randrange(1, 4000), draw.randrange(1, 4000)) for _ in range(draw.choice((0, 1, 3))))
    original = replace(entry("a"), kind="video", duration_seconds=1 / 3, packets=table, other_sizes=sizes)
    assert decode_entry(encode_entry(original)) == original


@pytest.mark.parametrize("version", [1, 2])
def test_manifest_entries_of_older_versions(version: int) -> None:
    """They do not know of other sizes, mirrored pictures and (1) changes."""
    table = PacketTable((1, 10), (0, 1), (True, False), (True, True), 2, 90, True)
    original = replace(entry("a"), kind="video", packets=table)
    values = json.loads(zlib.decompress(encode_entry(original)[1:]))
    del values["other_sizes"], values["packets"]["is_mirrored"], values["packets"]["coded_size"]
    if version == 1:
        del values["packets"]["changes"], values["prepared"]
    stored = bytes([version]) + zlib.compress(json.dumps(values).encode())
    assert decode_entry(stored) == original


def test_times_of_an_older_manifest_count_from_the_first_picture(tmp_path: Path) -> None:
    data = make_video(tmp_path / "r.mp4", num_frames=5, first_pts=20).read_bytes()
    entry = probe(data, media_id="r", file_name="r.mp4")
    values = json.loads(zlib.decompress(encode_entry(entry)[1:]))
    for field in ("zero_pts", "damage"):
        del values["packets"][field]
    older = decode_entry(b"\x02" + zlib.compress(json.dumps(values).encode()))
    assert older.notes == ()
    for known, first in ((entry, 2.0), (older, 0.0)):
        with open_media(data, media_id="r", packets=known.packets) as decoder:
            assert decoder.pts_seconds.tolist() == pytest.approx([first + n / 10 for n in range(5)])
            assert decoder.metadata.duration_seconds == pytest.approx(first + 0.5)


@pytest.mark.parametrize(
    ("data", "message"), [(b"\x63abc", "version 99"), (b"", "version none"), (b"\x01abc", "damaged")]
)
def test_unreadable_manifest_entry(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decode_entry(data)


def test_missing_id_names_the_nearest(tmp_path: Path) -> None:
    path = fill(tmp_path / "s", {"login_crash": b"1", "login_crush": b"2", "settings": b"3"})
    for use in (MediaStore(path).read, MediaStore(path).entry, MediaStore(path).open):
        with pytest.raises(DataError) as caught:
            use("login_crsh")
        assert "'login_crsh' among the 3" in caught.value.message
        assert str(path) in caught.value.message
        assert "login_crash" in caught.value.hint
        assert "login_crush" in caught.value.hint
        assert "settings" not in caught.value.hint
        assert "clipbug ingest" in caught.value.hint


def test_map_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbug.data.store.writer._FREE_BYTES", 64 * 1024)
    items = {f"id{index}": os.urandom(300_000) for index in range(30)}
    path = fill(tmp_path / "s", items)
    fill(path, {"late": b"x" * 3_000_000})
    store = MediaStore(path)
    assert {media_id: store.read(media_id) for media_id in items} == items
    assert len(store.read("late")) == 3_000_000


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    path = fill(tmp_path / "s", {"a": b"1"})
    with StoreWriter(path) as writer:
        with pytest.raises(DataError, match="cannot be an id"):
            writer.put_many([(entry("b"), b"2"), (entry("x" * 600), b"3")])
        assert list(writer.ids()) == ["a"]
        with pytest.raises(lmdb.Error, match="made up"):
            writer.put_many(failing_items())
        assert list(writer.ids()) == ["a"]
        assert writer.read("a") == b"1"
        assert writer.entry("a") == entry("a", b"1")
        assert writer.read("b") is None
        assert writer.entry("b") is None


def failing_items() -> Iterator[tuple[MediaEntry, bytes]]:
    yield entry("b"), b"2"
    raise lmdb.Error("made up")


LIMITED_WRITE = """
import resource, sys
from pathlib import Path
from clipbug.data.store.store import StoreWriter
from clipbug.errors import DataError
from tests.data.store.test_store import entry
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
with StoreWriter(Path(sys.argv[1])) as writer:
    try:
        writer.put_many([(entry("big"), b"x" * 5_000_000)])
    except DataError as error:
        print(error)
"""


def test_full_disk(tmp_path: Path) -> None:
    """A limit on file sizes stands for the full disk: the same write fails at the same place."""
    path = fill(tmp_path / "s", {"a": b"1"})
    done = run_python(LIMITED_WRITE, path)
    assert "disk is full" in done.stdout, done
    assert str(path) in done.stdout
    store = MediaStore(path)
    assert list(store.ids()) == ["a"]
    assert store.read("a") == b"1"
    store.close()
    fill(path, {"big": b"x" * 5_000_000})
    assert list(store.ids()) == ["a", "big"]


ENDLESS_WRITE = """
import sys
from pathlib import Path
from clipbug.data.store.store import StoreWriter
from tests.data.store.test_store import entry
with StoreWriter(Path(sys.argv[1])) as writer:
    for batch in range(10**6):
        names = [f"{batch}-{part}" for part in range(3)]
        writer.put_many([(entry(name, name.encode() * 5000), name.encode() * 5000) for name in names])
"""


def _has_items(file: Path) -> bool:
    """Whether the first batch is there, however slow the machine: a new store is smaller."""
    return file.exists() and file.stat().st_size > 15_000


def test_killed_while_writing(tmp_path: Path) -> None:
    """What is there is whole: batches of three, each item with its entry; and the next writer goes on."""
    path = tmp_path / "s"
    for delay in (0.0, 0.013, 0.05):
        writer = subprocess.Popen([sys.executable, "-c", ENDLESS_WRITE, str(path)], cwd=REPOSITORY)
        deadline = time.monotonic() + 30
        while not _has_items(path / "data.mdb") and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.1 + delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        with MediaStore(path) as store:
            ids = list(store.ids())
            assert len(ids) % 3 == 0
            for media_id in ids:
                assert store.read(media_id) == media_id.encode() * 5000
                assert store.entry(media_id).num_bytes == len(media_id) * 5000
        assert ids


def test_two_readers_and_a_copy_in_one_process(tmp_path: Path) -> None:
    path = fill(tmp_path / "s", {"a": b"1"})
    first, second = MediaStore(path), MediaStore(path)
    assert first.read("a") == second.read("a") == b"1"
    copy = pickle.loads(pickle.dumps(first))
    assert copy.read("a") == b"1"
    first.close()
    assert second.read("a") == copy.read("a") == first.read("a") == b"1"


FORK = """
import os, sys
from pathlib import Path
from clipbug.data.store.store import MediaStore
stores = [MediaStore(Path(sys.argv[1])), MediaStore(Path(sys.argv[1]))]
print([store.read("a") for store in stores], flush=True)
parents = stores[0]._environment
for _ in range(2):
    child = os.fork()
    if not child:
        stores[0].read("a")
        assert stores[0]._environment is not parents
        print([store.read("a") for store in stores], list(stores[0].ids()), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print([store.read("a") for store in stores])
"""


def test_after_a_fork(tmp_path: Path) -> None:
    done = run_python(FORK, fill(tmp_path / "s", {"a": b"1"}))
    lines = done.stdout.splitlines()
    both, with_ids = "[b'1', b'1']", "[b'1', b'1'] ['a']"
    assert lines == [both, with_ids, with_ids, both], done


APPEND = """
import sys
from pathlib import Path
from tests.data.store.test_store import fill
fill(Path(sys.argv[1]), {"late": b"x" * 200_000_000})
"""


def test_reader_sees_what_another_process_adds(tmp_path: Path) -> None:
    """200 MB, so that the file outgrows the map that the reader has."""
    path = fill(tmp_path / "s", {"a": b"1"})
    store = MediaStore(path)
    assert "late" not in store
    done = run_python(APPEND, path)
    assert done.returncode == 0, done
    assert len(store.read("late")) == 200_000_000
    assert len(store) == 2


def test_writing_to_a_store_that_is_open_here(tmp_path: Path) -> None:
    path = fill(tmp_path / "s", {"a": b"1"})
    store = MediaStore(path)
    store.read("a")
    with pytest.raises(DataError, match="already open") as caught, StoreWriter(path):
        pass
    assert "Close" in caught.value.hint
    store.close()
    fill(path, {"b": b"2"})
    assert store.read("b") == b"2"
    store.close()
    with StoreWriter(path), pytest.raises(DataError, match="already open"):
        store.read("a")


def test_plain_lmdb_of_files(tmp_path: Path) -> None:
    """As ClipBERT's script makes them: no manifest, so entries are made by looking at the files."""
    picture = cv2.imencode(".png", draw_index(5))[1].tobytes()
    video = make_video(tmp_path / "v.mp4", num_frames=8).read_bytes()
    (tmp_path / "s").mkdir()
    with (
        lmdb.open(str(tmp_path / "s"), map_size=1 << 24) as environment,
        environment.begin(write=True) as txn,
    ):
        txn.put(b"shot", picture)
        txn.put(b"recording", video)
        txn.put(b"broken", b"<html>")
    store = MediaStore(tmp_path / "s")
    assert list(store.ids()) == ["broken", "recording", "shot"]
    assert len(store) == 3
    assert (store.entry("shot").kind, store.entry("shot").width) == ("image", 160)
    assert store.entry("recording").num_frames == 8
    with store.open("recording") as decoder:
        assert read_index(decoder.frames_at([6]).data[0]) == 6
    with pytest.raises(DataError, match=r"broken: .*text file"):
        store.open("broken")
    with pytest.raises(DataError, match="Nearest ids: shot"):
        store.entry("shto")
    store.close()
    fill(tmp_path / "s", {"new": b"1"})  # a manifest for what is added
    assert store.entry("new") == entry("new", b"1")
    assert store.entry("recording").num_frames == 8
    assert list(store.ids()) == ["broken", "new", "recording", "shot"]
    assert len(store) == 4


def test_stored_recording_opens_without_reading_its_packets_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clipbug.data.store.probe import probe

    data = make_video(tmp_path / "v.mp4", num_frames=8).read_bytes()
    with StoreWriter(tmp_path / "s") as writer:
        writer.put_many([(probe(data, media_id="v", file_name="v.mp4"), data)])
    monkeypatch.setattr("clipbug.data.decoding.pyav.read_packet_table", None)
    with MediaStore(tmp_path / "s").open("v") as decoder:
        assert [read_index(picture) for picture in decoder.frames_at([7, 0]).data] == [7, 0]


@pytest.mark.parametrize("content", [b"", b"garbage" * 2000, bytes(8192)], ids=["empty", "garbage", "zeros"])
def test_damaged_store(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(content)
    with pytest.raises(DataError, match="cannot be opened") as caught:
        MediaStore(tmp_path).read("a")
    assert str(tmp_path) in caught.value.message
    assert "ingest" in caught.value.hint


def test_cut_off_store(tmp_path: Path) -> None:
    """Half of the file, as after a copy that failed. LMDB itself would end the process."""
    path = fill(tmp_path / "s", {f"id{index}": bytes([index]) * 50_000 for index in range(40)})
    file = path / "data.mdb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    add, read = lambda: fill(path, {"new": b"1"}), lambda: MediaStore(path).read("id0")
    for use in (add, read, add, read):
        with pytest.raises(DataError, match="cut off") as caught:
            use()
        assert str(path) in caught.value.message


def test_no_store_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no store at") as caught:
        MediaStore(tmp_path / "absent").read("a")
    assert "clipbug ingest" in caught.value.hint
    assert not (tmp_path / "absent").exists()


def test_places_that_cannot_become_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        StoreWriter(tmp_path / "file")
    with pytest.raises(DataError, match=r"not a store: it contains 'a\.mp4'"):
        StoreWriter(tmp_path / "videos")
    with pytest.raises(DataError, match="cannot be opened for writing"):
        fill(tmp_path / "file" / "below", {"a": b"1"})


def test_writer_leaves_nothing_when_nothing_is_written(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s") as writer:
        writer.put_many([])
        assert list(writer.ids()) == []
        assert writer.read("a") is None
    assert not (tmp_path / "s").exists()


def test_several_stores(tmp_path: Path) -> None:
    one = fill(tmp_path / "one", {"a": b"1", "c": b"3"})
    two = fill(tmp_path / "two", {"b": b"2"})
    both = open_stores([one, two, one])
    assert list(both.ids()) == ["a", "b", "c"]
    assert len(both) == 3
    assert "b" in both
    assert "x" not in both
    assert [both.read(media_id) for media_id in "abc"] == [b"1", b"2", b"3"]
    assert both.entry("b") == entry("b", b"2")
    with pytest.raises(DataError) as caught:
        both.read("x")
    assert str(one) in caught.value.message
    assert str(two) in caught.value.message
    assert isinstance(open_stores([one]), MediaStore)
    with pytest.raises(ValueError, match="at least one store"):
        open_stores([])


def test_the_same_file_in_two_stores(tmp_path: Path) -> None:
    """Equal bytes are no contradiction, whether a manifest tells their hash or not."""
    with StoreWriter(tmp_path / "one") as writer:
        writer.put_raw([("a", b"1"), ("b", b"2")])
    with StoreWriter(tmp_path / "two") as writer:
        hashed = replace(entry("b", b"2"), sha256=hashlib.sha256(b"2").hexdigest())
        writer.put_many([(hashed, b"2")])
    both = open_stores([tmp_path / "one", tmp_path / "two"])
    assert list(both.ids()) == ["a", "b"]
    assert both.read("b") == b"2"


def test_one_id_in_two_stores(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for path, items in ((one, {"a": b"1", "b": b"1"}), (two, {"b": b"2"})):
        with StoreWriter(path) as writer:
            writer.put_raw(items.items())
    both = open_stores([one, two])
    assert both.read("a") == b"1"
    for use in (both.read, both.entry, both.open, lambda _: list(both.ids())):
        with pytest.raises(DataError) as caught:
            use("b")
        assert str(one) in caught.value.message
        assert str(two) in caught.value.message
        assert "'b'" in caught.value.message


def test_order_of_ids_agrees_between_store_and_group(tmp_path: Path) -> None:
    names = ["z", "é", "😀", "A", "\ue000"]
    one = MediaStore(fill(tmp_path / "one", dict.fromkeys(names, b"1")))
    group = open_stores([one.path, fill(tmp_path / "two", {"m": b"1"})])
    assert [name for name in group.ids() if name != "m"] == list(one.ids()) == sorted(names)


def test_seldom_read_numpy_arrays_stay_untouched(tmp_path: Path) -> None:
    """Bytes handed out are copies: they stay valid when the store is closed."""
    store = MediaStore(fill(tmp_path / "s", {"a": b"1" * 10_000}))
    view = np.frombuffer(store.read("a"), np.uint8)
    store.close()
    assert (view == ord("1")).all()


@pytest.mark.parametrize("name", ["x.lmdb", "without_ending", "folder/any.name", "folder/data.mdb"])
def test_an_lmdb_in_one_file_is_a_store_under_any_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    with (
        lmdb.open(str(path), subdir=False, map_size=1 << 20) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.put(b"a", b"bytes")
    for place in {path, path.parent if path.parent != tmp_path else path}:
        with MediaStore(place) as store:
            assert list(store.ids()) == ["a"]
            assert store.read("a") == b"bytes"
    if path.name != "data.mdb":
        with pytest.raises(DataError, match="is read-only for clipbug"):
            StoreWriter(path)


def test_what_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("no LMDB")
    for path, found in (
        (tmp_path / "empty", "the folder is empty"),
        (tmp_path / "notes", "the folder contains todo.txt"),
        (tmp_path / "notes" / "todo.txt", "not an LMDB file"),
        (tmp_path / "none", "there is no store at"),
    ):
        with pytest.raises(DataError, match=found):
            list(MediaStore(path).ids())
