"""Write stores: batches of files and manifest entries, each batch in one transaction."""

import mmap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb

from clipbug.data.media import MediaEntry
from clipbug.data.store.lmdb_environment import (
    DATA_FILE,
    LOCK_FILE,
    MANIFEST,
    PREPARED,
    SUB_DATABASES,
    check_is_whole,
    from_key,
    is_lmdb_file,
    store_errors,
    to_key,
)
from clipbug.data.store.manifest import decode_entry, encode_entry
from clipbug.data.store.write_lock import DEFAULT_WAIT_SECONDS, wait_for_other_writers
from clipbug.errors import DataError

_FREE_BYTES = 64 << 20
_ALLOWED_FILES = {DATA_FILE, LOCK_FILE}
_Row = tuple[bytes, bytes, bytes | None]  # key, value, name of the sub-database (None: the main one)


class StoreWriter:
    """A store opened for adding. The folder is created with the first batch; the memory map grows as needed.

    Args:
        path: Folder of the store, new or existing.
        wait_seconds: How long to wait for another process that writes to it.

    Raises:
        DataError: `path` is something else, or the store is damaged.
    """

    def __init__(self, path: Path, *, wait_seconds: float = DEFAULT_WAIT_SECONDS) -> None:
        self.path = folder_to_write(Path(path))
        self.wait_seconds = wait_seconds
        self._environment: lmdb.Environment | None = None
        others = {file.name for file in self.path.iterdir()} - _ALLOWED_FILES if self.path.is_dir() else set()
        if others and not (self.path / DATA_FILE).is_file():
            raise DataError(
                f"{self.path} is not a store: it contains {min(others)!r}", "Choose another path with --out."
            )

    def __enter__(self) -> Self:
        if (self.path / DATA_FILE).is_file():
            self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def ids(self) -> Iterator[str]:
        """Return the ids of all items, sorted."""
        if self._environment is None:
            return iter(())
        with store_errors(self.path, "it cannot be read"), self._environment.begin() as transaction:
            keys = list(transaction.cursor().iternext(values=False))
        return (from_key(key) for key in keys if key not in SUB_DATABASES)

    def entry(self, media_id: str) -> MediaEntry | None:
        """Return the manifest entry, or None if the store has none for this id."""
        data = self._get(media_id, MANIFEST)
        return None if data is None else decode_entry(data)

    def read(self, media_id: str) -> bytes | None:
        """Return the stored bytes, or None if there is no such id."""
        return self._get(media_id)

    def put_many(
        self, items: Iterable[tuple[MediaEntry, bytes]], *, forms: Mapping[str, bytes] | None = None
    ) -> None:
        """Add files in one transaction: after a failure none of them is stored.

        Args:
            items: Entries and original bytes, which are dropped where the entry says so.
            forms: Prepared forms by id.

        Raises:
            DataError: The disk is full, the folder is not writable, or an id cannot be a key.
        """
        rows: list[_Row] = []
        for entry, data in items:
            rows.append((self._key(entry.media_id), data if entry.has_original else b"", None))
            rows.extend(self._manifest_rows(entry, (forms or {}).get(entry.media_id)))
        self._put(rows)

    def put_beside(self, items: Iterable[tuple[MediaEntry, bytes | None]]) -> None:
        """Update stored files with new entries and, unless None, prepared forms, in one transaction.

        Raises:
            DataError: Under the same conditions as `put_many`.
        """
        self._put([row for entry, form in items for row in self._manifest_rows(entry, form)])

    def put_raw(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Add files by id without entries; they are probed on first use.

        Raises:
            DataError: Under the same conditions as `put_many`.
        """
        self._put([(self._key(media_id), data, None) for media_id, data in items])

    def _manifest_rows(self, entry: MediaEntry, form: bytes | None) -> list[_Row]:
        key = self._key(entry.media_id)
        rows: list[_Row] = [(key, encode_entry(entry), MANIFEST)]
        return rows if form is None else [*rows, (key, form, PREPARED)]

    def _put(self, rows: list[_Row]) -> None:
        if not rows:
            return
        environment = self._environment or self._open()
        self._wait(environment)
        with store_errors(self.path, f"{len(rows)} values cannot be written"):
            for name in {name for _, _, name in rows if name is not None} - self._databases.keys():
                self._databases[name] = environment.open_db(name)
            while not self._try_put(environment, rows):
                size = environment.info()["map_size"]
                needed = sum(len(value) for _, value, _ in rows)
                environment.set_mapsize(_whole_pages(2 * max(size, needed)))

    def _try_put(self, environment: lmdb.Environment, rows: list[_Row]) -> bool:
        """Return whether the rows fit into the map; if not, nothing was written."""
        try:
            with environment.begin(write=True) as transaction:
                self._check_not_replaced()  # checked here because the store may have changed while waiting
                for key, value, name in rows:
                    transaction.put(key, value, db=None if name is None else self._databases[name])
        except lmdb.MapFullError:
            return False
        except lmdb.MapResizedError:  # another process has added to the store
            environment.set_mapsize(0)
            return self._try_put(environment, rows)
        return True

    def _check_not_replaced(self) -> None:
        """Raise if the store's file was replaced, because writes to the old one would be lost."""
        if (self.path / DATA_FILE).stat().st_ino != self._file:
            raise DataError(
                f"store {self.path} was rewritten by another command (`clipbug data rm`) in the meantime",
                "Run the same command again: it continues from what is stored.",
            )

    def _wait(self, environment: lmdb.Environment) -> None:
        self._environment = None  # must not be closed while a thread is waiting on it
        with store_errors(self.path, "it cannot be written"):
            wait_for_other_writers(environment, self.path, self.wait_seconds)
        self._environment = environment

    def _get(self, media_id: str, name: bytes | None = None) -> bytes | None:
        key = to_key(media_id)
        if self._environment is None or key is None:
            return None
        database = None if name is None else self._databases[name]
        with store_errors(self.path, "it cannot be read"), self._environment.begin() as transaction:
            data = transaction.get(key, db=database)
        return None if data is None else bytes(data)

    def _key(self, media_id: str) -> bytes:
        key = to_key(media_id)
        if key is None:
            raise DataError(f"{media_id!r} cannot be an id: it is empty or too long", "Rename the file.")
        return key

    def _open(self) -> lmdb.Environment:
        with store_errors(self.path, "it cannot be opened for writing"):
            self.path.mkdir(parents=True, exist_ok=True)
            file = self.path / DATA_FILE
            size = _whole_pages((file.stat().st_size if file.is_file() else 0) + _FREE_BYTES)
            environment = lmdb.open(str(self.path), map_size=size, max_dbs=len(SUB_DATABASES))
        self._wait(environment)
        with store_errors(self.path, "it cannot be opened for writing"):
            try:
                check_is_whole(file, environment)
                self._databases = {MANIFEST: environment.open_db(MANIFEST)}
            except BaseException:
                self._environment = None
                environment.close()
                raise
        self._environment, self._file = environment, (self.path / DATA_FILE).stat().st_ino
        return environment


def folder_to_write(path: Path) -> Path:
    """Return the folder of a store to be changed; `path` may also be its `data.mdb`.

    Args:
        path: Folder or file of the store.

    Returns:
        The folder.

    Raises:
        DataError: `path` is another file.
    """
    if path.name == DATA_FILE and is_lmdb_file(path):
        return path.parent
    if is_lmdb_file(path):
        raise DataError(
            f"{path} is a single-file LMDB, which is read-only for clipbug",
            "Extract its files (clipbug data get) and ingest them into a new store.",
        )
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file, not a store", "Choose another path with --out.")
    return path


def _whole_pages(num_bytes: int) -> int:
    return -(-num_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
