"""Writing stores: batches of files and manifest entries, each batch in one transaction."""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb

from clipbug.data.environment import DATA_FILE, MANIFEST, check_is_whole, from_key, store_errors, to_key
from clipbug.data.manifest import decode_entry, encode_entry
from clipbug.data.media import MediaEntry
from clipbug.errors import DataError

_FREE_BYTES = 64 << 20
_ALLOWED_FILES = {DATA_FILE, "lock.mdb"}


class StoreWriter:
    """A store for adding. The folder is made with the first batch; its map of memory grows as needed.

    Args:
        path: folder of the store, new or existing.

    Raises:
        DataError: there is something else at `path`, or the store is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._environment: lmdb.Environment | None = None
        if self.path.exists() and not self.path.is_dir():
            raise DataError(f"{self.path} is a file, not a store", "Choose another place with --out.")
        others = {file.name for file in self.path.iterdir()} - _ALLOWED_FILES if self.path.is_dir() else set()
        if others and not (self.path / DATA_FILE).is_file():
            raise DataError(
                f"{self.path} is not a store, it holds {min(others)!r}", "Choose another place with --out."
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
        """Ids of what is stored, sorted."""
        if self._environment is None:
            return iter(())
        with store_errors(self.path, "it cannot be read"), self._environment.begin() as transaction:
            keys = list(transaction.cursor().iternext(values=False))
        return (from_key(key) for key in keys if key != MANIFEST)

    def entry(self, media_id: str) -> MediaEntry | None:
        """The manifest entry, or None if the store has none for this id."""
        data = self._get(media_id, in_manifest=True)
        return None if data is None else decode_entry(data)

    def read(self, media_id: str) -> bytes | None:
        """The stored bytes, or None if there is no such id."""
        return self._get(media_id, in_manifest=False)

    def put_many(self, items: Iterable[tuple[MediaEntry, bytes]]) -> None:
        """Add files in one transaction: after a failure none of them is stored.

        Raises:
            DataError: the disk is full, the folder cannot be written, or an id cannot be a key.
        """
        rows = [(self._key(entry.media_id), data, encode_entry(entry)) for entry, data in items]
        if not rows:
            return
        environment = self._environment or self._open()
        with store_errors(self.path, f"{len(rows)} files cannot be written"):
            while not self._try_put(environment, rows):
                size = environment.info()["map_size"]
                needed = sum(len(data) + len(entry) for _, data, entry in rows)
                environment.set_mapsize(_whole_pages(2 * max(size, needed)))

    def _try_put(self, environment: lmdb.Environment, rows: list[tuple[bytes, bytes, bytes]]) -> bool:
        """Whether the rows fitted into the map; if not, nothing has been written."""
        try:
            with environment.begin(write=True) as transaction:
                for key, data, entry in rows:
                    transaction.put(key, data)
                    transaction.put(key, entry, db=self._manifest)
        except lmdb.MapFullError:
            return False
        except lmdb.MapResizedError:  # another process has added to the store
            environment.set_mapsize(0)
            return self._try_put(environment, rows)
        return True

    def _get(self, media_id: str, *, in_manifest: bool) -> bytes | None:
        key = to_key(media_id)
        if self._environment is None or key is None:
            return None
        with store_errors(self.path, "it cannot be read"), self._environment.begin() as transaction:
            data = transaction.get(key, db=self._manifest) if in_manifest else transaction.get(key)
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
            environment = lmdb.open(str(self.path), map_size=size, max_dbs=1)
            try:
                check_is_whole(self.path, environment)
                self._manifest = environment.open_db(MANIFEST)
            except BaseException:
                environment.close()
                raise
        self._environment = environment
        return environment


def _whole_pages(num_bytes: int) -> int:
    return -(-num_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
