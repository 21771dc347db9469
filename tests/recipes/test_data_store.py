"""Listing, taking out, removing and checking what a store holds."""

import subprocess
import sys
import unicodedata
from pathlib import Path

import lmdb
import pytest

from clipbug.data.ingest.load_files import PrepareSettings
from clipbug.data.store.store import MediaStore
from clipbug.errors import DataError
from clipbug.recipes.data_store import get_items, list_items, remove_items, verify_stores
from clipbug.recipes.ingest import ingest
from tests.helpers.video_factory import make_video

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three recordings, all prepared."""
    for name, count in (("a", 5), ("b", 6), ("login_c", 7)):
        (tmp_path / "in").mkdir(exist_ok=True)
        make_video(tmp_path / "in" / f"{name}.mp4", num_frames=count)
    ingest(
        [tmp_path / "in"],
        extensions=(),
        file_type="auto",
        store=tmp_path / "s",
        prepare=PrepareSettings(80),
    )
    return tmp_path / "s"


def test_list(store: Path) -> None:
    report = list_items(store, match=None, limit=None).to_json()
    assert report["count"] == 3
    assert [item["media_id"] for item in report["items"]] == ["a", "b", "login_c"]
    assert report["items"][1]["num_frames"] == 6
    assert report["items"][1]["prepared"] == "80x32"
    assert [item["media_id"] for item in list_items(store, match="login_*", limit=None).payload["items"]] == [
        "login_c"
    ]
    assert len(list_items(store, match=None, limit=2).payload["items"]) == 2


def test_get(store: Path, tmp_path: Path) -> None:
    report = get_items(store, ["a", "b"], output=tmp_path / "out").to_json()
    assert report["written"] == [str(tmp_path / "out" / "a.mp4"), str(tmp_path / "out" / "b.mp4")]
    assert (tmp_path / "out" / "a.mp4").read_bytes() == (tmp_path / "in" / "a.mp4").read_bytes()
    get_items(store, ["a"], output=tmp_path / "out")  # the same bytes again are no clash
    (tmp_path / "out" / "a.mp4").write_bytes(b"mine")
    with pytest.raises(DataError, match="exists with different content"):
        get_items(store, ["a"], output=tmp_path / "out")
    assert (tmp_path / "out" / "a.mp4").read_bytes() == b"mine"


def test_remove(store: Path) -> None:
    with pytest.raises(DataError, match="no media item 'logn_c'") as caught:
        remove_items(store, ["a", "logn_c"])
    assert "login_c" in caught.value.hint
    assert list_items(store, match=None, limit=None).payload["count"] == 3, "nothing was removed"
    report = remove_items(store, ["a", "login_c"]).to_json()
    assert report["removed"] == ["a", "login_c"]
    assert [item["media_id"] for item in list_items(store, match=None, limit=None).payload["items"]] == ["b"]
    assert verify_stores([store]).bad == ()


def test_verify_finds_what_changed(store: Path) -> None:
    whole = verify_stores([store])
    assert (whole.bad, whole.payload["num_items"], whole.payload["num_without_entry"]) == ((), 3, 0)
    with lmdb.open(str(store), max_dbs=2, map_size=1 << 24) as environment:
        forms = environment.open_db(b"clipbug/prepared")
        with environment.begin(write=True) as transaction:
            data = bytearray(transaction.get(b"a") or b"")
            data[len(data) // 2] ^= 1
            transaction.put(b"a", bytes(data))
            transaction.put(b"b", b"short", db=forms)
            transaction.put(b"raw", b"x")
    report = verify_stores([store])
    assert report.bad[0][0] == "a"
    assert "differs from what was ingested" in report.bad[0][1]
    assert report.bad[1][0] == "b"
    assert "prepared form (5 of" in report.bad[1][1]
    assert len(report.bad) == 2
    assert report.payload["num_without_entry"] == 1


def test_from_the_command_line(store: Path) -> None:
    command = [sys.executable, "-m", "clipbug", "data", "verify", str(store), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert '"num_items": 3' in done.stdout
    with MediaStore(store) as opened:
        assert len(opened) == 3


def test_ids_in_either_unicode_form(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    make_video(tmp_path / f"{decomposed}.mp4", num_frames=2)
    store = tmp_path / "s"
    ingest([tmp_path / f"{decomposed}.mp4"], extensions=(), file_type="auto", store=store)
    for pattern in (composed, decomposed, f"{composed[:3]}*", f"*{composed[-1]}"):
        assert len(list_items(store, match=pattern, limit=None).payload["items"]) == 1
    assert list_items(store, match="Cafe", limit=None).payload["items"] == []
    (written,) = get_items(store, [composed], output=tmp_path / "out").payload["written"]
    assert Path(written).name == f"{decomposed}.mp4"
    with pytest.raises(DataError, match="no media item 'Cafe'"):
        remove_items(store, ["Cafe"])
    assert remove_items(store, [composed]).payload["removed"] == [decomposed]
    assert list_items(store, match=None, limit=None).payload["count"] == 0
