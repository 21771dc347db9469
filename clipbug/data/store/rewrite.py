"""Remove items from a store by replacing its file with a smaller copy.

Readers take no locks (see `lmdb_environment.reading_environment`). Readers that have the old file open keep
reading it, intact, until they open the store again; removing in place would let LMDB reuse pages that they
are reading. It is also the only way to shrink the file. Until the final rename the store is unchanged.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lmdb

from clipbug.data.store.lmdb_environment import (
    DATA_FILE,
    LOCK_FILE,
    MANIFEST,
    PREPARED,
    SUB_DATABASES,
    check_is_whole,
    open_existing,
    store_errors,
    to_key,
)
from clipbug.data.store.manifest import decode_entry, encode_entry
from clipbug.data.store.write_lock import DEFAULT_WAIT_SECONDS, wait_for_other_writers
from clipbug.runtime.files import sync

_BATCH_BYTES = 64 << 20
_SPARE_BYTES = 64 << 20


def rewrite_store(
    path: Path,
    *,
    without: frozenset[str] = frozenset(),
    without_originals: frozenset[str] = frozenset(),
    wait_seconds: float = DEFAULT_WAIT_SECONDS,
) -> int:
    """Rewrite a store without some items.

    Needs free disk space for what remains. Another writer waits, and is then told that the store has changed.

    Args:
        path: Folder of the store.
        without: Ids to remove.
        without_originals: Ids of which only the prepared form is kept.
        wait_seconds: How long to wait for another process that writes to the store.

    Returns:
        By how many bytes the file has shrunk.

    Raises:
        DataError: The disk is full, or the store is damaged or in use by this process; it is then unchanged.
    """
    file, new = path / DATA_FILE, path / f".{DATA_FILE}.new"
    size = file.stat().st_size
    open_file = partial(lmdb.open, map_size=size + _SPARE_BYTES, max_dbs=len(SUB_DATABASES))
    with store_errors(path, "it cannot be rewritten"):
        try:
            new.unlink(missing_ok=True)  # left by a killed process
            old = open_file(str(path))
            wait_for_other_writers(old, path, wait_seconds)
            with old, old.begin(write=True) as reading:  # other writers wait
                check_is_whole(file, old)
                with open_file(str(new), subdir=False, sync=False, lock=False) as copy:
                    for name in (None, MANIFEST, PREPARED):
                        _copy_database(old, reading, copy, name, _keys(without), _keys(without_originals))
                    copy.sync(True)
                (path / LOCK_FILE).unlink(missing_ok=True)  # the lock file belongs to the old file
                new.replace(file)
                sync(path)
        finally:
            new.unlink(missing_ok=True)
    return size - file.stat().st_size


def _keys(ids: frozenset[str]) -> set[bytes | None]:
    return {to_key(media_id) for media_id in ids}


def _copy_database(
    old: lmdb.Environment,
    reading: lmdb.Transaction,
    copy: lmdb.Environment,
    name: bytes | None,
    without: set[bytes | None],
    without_originals: set[bytes | None],
) -> None:
    """Copy in batches, so that memory use does not grow with the store."""
    source = None if name is None else open_existing(old, name, reading)
    if name is not None and source is None:
        return
    target = None if name is None else copy.open_db(name)
    rows = _rows(reading, source, without)
    for batch in _batches(rows):
        with copy.begin(write=True) as transaction:
            for key, value in batch:
                if key in without_originals and name is None:
                    value = b""
                elif key in without_originals and name == MANIFEST:
                    value = encode_entry(replace(decode_entry(value), has_original=False))
                transaction.put(key, value, db=target)


def _rows(
    reading: lmdb.Transaction, source: Any, without: set[bytes | None]
) -> Iterator[tuple[bytes, bytes]]:
    with reading.cursor(db=source) as cursor:
        for key, value in cursor:
            if key not in without and key not in SUB_DATABASES:
                yield bytes(key), bytes(value)


def _batches(rows: Iterator[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    batch: list[tuple[bytes, bytes]] = []
    num_bytes = 0
    for key, value in rows:
        batch.append((key, value))
        num_bytes += len(value)
        if num_bytes >= _BATCH_BYTES:
            yield batch
            batch, num_bytes = [], 0
    if batch:
        yield batch
