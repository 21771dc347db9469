"""A store that another process is writing to: waiting is said, and has an end."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from clipbug.data.store.lmdb_environment import DATA_FILE
from clipbug.data.store.rewrite import rewrite_store
from clipbug.data.store.store import MediaStore
from clipbug.data.store.write_lock import BusyStoreError
from clipbug.recipes.ingest import ingest

HOLDER = """
import sys, lmdb
environment = lmdb.open(sys.argv[1], map_size=1 << 26, max_dbs=4)
with environment.begin(write=True):
    print("held", flush=True)
    sys.stdin.readline()
"""


def picture(folder: Path, name: str) -> Path:
    path = folder / f"{name}.png"
    assert cv2.imwrite(str(path), np.full((8, 8, 3), len(name), np.uint8))
    return path


def put(file: Path, store: Path, wait_seconds: float) -> int:
    return ingest([file], extensions=(), file_type="auto", store=store, wait_seconds=wait_seconds).added


@pytest.fixture
def store(tmp_path: Path) -> Path:
    put(picture(tmp_path, "first"), tmp_path / "store", 60)
    return tmp_path / "store"


@pytest.fixture
def holder(store: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the write lock until it gets a line."""
    command = [sys.executable, "-c", HOLDER, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_writers_give_up_and_the_store_is_as_it_was(
    store: Path, holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    before = (store / DATA_FILE).read_bytes()
    with pytest.raises(BusyStoreError, match=r"another process has been writing to it for 0\.2 s"):
        put(picture(tmp_path, "second"), store, 0.2)
    assert (store / DATA_FILE).read_bytes() == before


def test_taking_out_gives_up(store: Path, holder: subprocess.Popen[bytes]) -> None:
    before = (store / DATA_FILE).read_bytes()
    with pytest.raises(BusyStoreError) as caught:
        rewrite_store(store, without=frozenset({"first"}), wait_seconds=0.2)
    assert "--wait" in caught.value.hint
    assert (store / DATA_FILE).read_bytes() == before


def test_readers_do_not_wait(store: Path, holder: subprocess.Popen[bytes]) -> None:
    with MediaStore(store) as opened:
        assert list(opened.ids()) == ["first"]


def test_a_writer_that_waits_says_so_and_goes_on(
    store: Path, holder: subprocess.Popen[bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert holder.stdin
    program = "import sys, time; time.sleep(1.5); print()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=holder.stdin):
        started = time.monotonic()
        assert put(picture(tmp_path, "second"), store, 60) == 1
    assert time.monotonic() - started > 1
    assert f"another process is writing to store {store}; waiting" in caplog.text


def test_a_killed_writer_keeps_nobody_waiting(
    store: Path, holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    holder.kill()
    holder.wait()
    assert put(picture(tmp_path, "second"), store, 60) == 1
