"""LMDB access for stores: one environment per folder and process, ids as keys, errors that name the store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import lmdb

from clipbug.errors import DataError

DATA_FILE = "data.mdb"
LOCK_FILE = "lock.mdb"
# Names of the sub-databases, which LMDB keeps among the ids. No id can collide: file names have no slash.
MANIFEST = b"clipbug/manifest"
PREPARED = b"clipbug/prepared"
SUB_DATABASES = (MANIFEST, PREPARED)
_MAX_KEY_BYTES = 511

# In the first page of every LMDB file, as written by little-endian machines.
_MAGIC, _MAGIC_START = bytes.fromhex("dec0efbe"), 16

# LMDB must not open a file twice in one process, hence this state that all stores share. An environment
# closes when the last store that uses it releases it.
_shared: WeakValueDictionary[tuple[int, str, int], lmdb.Environment] = WeakValueDictionary()


@contextmanager
def store_errors(path: Path, action: str) -> Iterator[None]:
    """Convert errors of LMDB and the file system to a DataError that names the store.

    Raises:
        DataError: The block failed.
    """
    try:
        yield
    except (lmdb.Error, OSError) as error:
        raise DataError(f"store {path}: {action}: {error}", _hint(error)) from error


def reading_environment(path: Path) -> lmdb.Environment:
    """Return the environment for reading a store, shared by all its readers in this process.

    It takes no lock, so it works on read-only disks and after a fork. That is safe because a file only grows
    (removal writes a new file, see `rewrite`) and each transaction reads one item: LMDB reuses a page two
    commits after it was freed, and a writer commits one batch at a time.

    Args:
        path: Folder or file of the store.

    Returns:
        The environment.

    Raises:
        DataError: There is no store, it is damaged, or this process is writing to it.
    """
    data = find_data_file(path)
    process, name = os.getpid(), str(data.resolve())
    file = data.stat().st_ino  # changes when the store is rewritten
    for (other_process, other_name, _), inherited in list(_shared.items()):
        if other_process != process and other_name == name:
            inherited.close()  # inherited by a fork; the parent's copy stays open
    environment = _shared.get((process, name, file))
    if environment is None:
        with store_errors(path, "it cannot be opened"):
            environment = lmdb.open(
                str(data.parent if data.name == DATA_FILE else data),
                subdir=data.name == DATA_FILE,
                readonly=True,
                lock=False,
                max_dbs=len(SUB_DATABASES),
                readahead=False,
            )
        check_is_whole(data, environment)
        _shared[process, name, file] = environment
    return environment


def find_data_file(path: Path) -> Path:
    """Return the LMDB file of a store: `data.mdb` of a folder, else its only LMDB file; or `path` itself.

    Args:
        path: Folder or file of the store.

    Returns:
        Path of the LMDB file.

    Raises:
        DataError: There is no LMDB file, or several; the message lists what was found.
    """
    if path.is_dir():
        if (path / DATA_FILE).is_file():
            return path / DATA_FILE
        found = sorted(file for file in path.iterdir() if is_lmdb_file(file))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(file.name for file in found)
            raise DataError(
                f"{path} contains several LMDB files: {names}", f"Give one of them, such as {found[0]}."
            )
        files = sorted(file.name for file in path.iterdir())
        content = f"contains {', '.join(files[:5])}{' ...' * (len(files) > 5)}" if files else "is empty"
        raise DataError(f"there is no store at {path}: the folder {content}", _how_to_create(path))
    if not path.exists():
        raise DataError(f"there is no store at {path}", _how_to_create(path))
    if not is_lmdb_file(path):
        raise DataError(f"{path} is not a store: not an LMDB file", _how_to_create(path.with_suffix("")))
    return path


def is_lmdb_file(path: Path) -> bool:
    """Return whether a file has the LMDB signature; False if it cannot be read."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(_MAGIC_START + len(_MAGIC))
    except OSError:
        return False
    return start[_MAGIC_START:] in (_MAGIC, _MAGIC[::-1])


def _how_to_create(path: Path) -> str:
    return f"Create one: clipbug ingest FOLDER --out {path}"


def check_is_whole(data: Path, environment: lmdb.Environment) -> None:
    """Raise DataError if the file is shorter than what was committed; reading past its end would crash."""
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = data.stat().st_size
    if size < needed:
        raise DataError(
            f"store {data.parent} is cut off: {data.name} has {size} of {needed} bytes",
            "Copy the store again, or ingest the files again into a new one (--out).",
        )


def open_existing(
    environment: lmdb.Environment, name: bytes, transaction: lmdb.Transaction | None = None
) -> Any:
    """Return a sub-database, or None if the store has none of this name."""
    try:
        return environment.open_db(name, txn=transaction, create=False)
    except lmdb.NotFoundError:
        return None


def to_key(media_id: object) -> bytes | None:
    """Return the key of an id, or None if the id cannot be a key."""
    if not isinstance(media_id, str):
        return None
    key = media_id.encode("utf-8", "surrogateescape")
    return key if 0 < len(key) <= _MAX_KEY_BYTES and key not in SUB_DATABASES else None


def from_key(key: bytes) -> str:
    """Return the id of a key."""
    return key.decode("utf-8", "surrogateescape")


def _hint(error: Exception) -> str:
    text = str(error)
    if any(words in text for words in ("No space left", "File too large", "quota", "Input/output")):
        return "The disk is full or failing. Items stored before are safe: free some space and run it again."
    if "already open" in text:
        return "Close the store's other reader or writer in this program first."
    if "Permission denied" in text or "Read-only" in text:
        return "Change the permissions of the folder, or choose another one with --out."
    return "The store may be damaged: ingest the files again into a new one (--out)."
