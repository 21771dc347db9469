"""Read stores: original files by id in LMDB, with a manifest of what is known about each."""

import difflib
import hashlib
import heapq
import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import lmdb

from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.decoding.open import open_media
from clipbug.data.decoding.prepared import PreparedDecoder
from clipbug.data.media import MediaEntry, MediaSource
from clipbug.data.store.lmdb_environment import (
    MANIFEST,
    PREPARED,
    SUB_DATABASES,
    from_key,
    open_existing,
    reading_environment,
    store_errors,
    to_key,
)
from clipbug.data.store.manifest import decode_entry
from clipbug.data.store.probe import probe
from clipbug.data.store.writer import StoreWriter
from clipbug.errors import DataError

__all__ = ["MediaStore", "StoreWriter", "open_stores"]

_KEYS_PER_READ = 4096
_MAX_COMPARED_IDS = 20_000
_MAX_ENTRIES = 64  # loading a sample reads its entry several times
_MAX_PROBED_ENTRIES = 1024
_Result = TypeVar("_Result")


class MediaStore:
    """A store opened for reading. It opens on first use, in the process that uses it, and can be pickled.

    A plain LMDB of files, as written by ClipBERT's script, is a store too; its files are probed on access.

    Args:
        path: Folder written by `clipbug ingest`.

    Raises:
        DataError: On first use, if there is no store or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.close()

    def __contains__(self, media_id: object) -> bool:
        key = to_key(media_id)
        return key is not None and self._read(lambda transaction: transaction.get(key) is not None)

    def __len__(self) -> int:
        return self._read(lambda transaction: _count_items(transaction))

    def ids(self) -> Iterator[str]:
        """Yield all ids, sorted."""
        start = b""
        while keys := self._read(partial(_keys_from, start=start)):
            yield from (from_key(key) for key in keys if key not in SUB_DATABASES)
            start = keys[-1] + b"\0"

    def entry(self, media_id: str) -> MediaEntry:
        """Return the manifest entry.

        Raises:
            DataError: There is no such id; the message names the nearest ids.
        """
        return self._entry(media_id)

    def read(self, media_id: str) -> bytes:
        """Return the original bytes.

        Raises:
            DataError: There is no such id (the message names the nearest), or the original was not kept.
        """
        data = self._get(media_id)
        if data is None:
            error = _missing_error(media_id, [self])
            raise error
        if not data and not self.entry(media_id).has_original:
            raise DataError(
                f"store {self.path} contains only the prepared form of {media_id!r}",
                "The original was dropped by --drop-original; ingest the file into another store.",
            )
        return data

    def prepared_form(self, media_id: str) -> bytes | None:
        """Return a complete prepared form, or None if there is none."""
        return self._get(media_id, PREPARED)

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """Open a decoder; see `MediaSource.open`."""
        entry = self.entry(media_id)
        wants_form = longer_side is not None and entry.is_prepared_for(longer_side)
        if entry.prepared is not None and (wants_form or not entry.has_original):
            return PreparedDecoder(entry, partial(self._read_form, media_id))
        return open_media(self.read(media_id), media_id=media_id, packets=entry.packets)

    def close(self) -> None:
        """Release the file. The store reopens on the next use."""
        self._environment: lmdb.Environment | None = None
        self._databases: dict[bytes, Any] = {}  # lmdb does not export their type
        self._process = 0
        self._entry = lru_cache(_MAX_ENTRIES)(self._read_entry)
        self._probe = lru_cache(_MAX_PROBED_ENTRIES)(self._probe_now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type["MediaStore"], tuple[Path]]:
        return MediaStore, (self.path,)

    def _open(self) -> lmdb.Environment:
        if self._environment is None or self._process != os.getpid():
            self._environment, self._process = reading_environment(self.path), os.getpid()
            self._databases = {}
            self._entry.cache_clear()
        return self._environment

    def _database(self, name: bytes) -> Any:
        """Return a sub-database, retrying where there was none: another process may have added it."""
        environment = self._open()
        if self._databases.get(name) is None:
            with store_errors(self.path, "it cannot be read"):
                self._databases[name] = open_existing(environment, name)
        return self._databases[name]

    def _read(self, query: Callable[[lmdb.Transaction], _Result]) -> _Result:
        environment = self._open()
        with store_errors(self.path, "it cannot be read"):
            try:
                with environment.begin(buffers=True) as transaction:
                    return query(transaction)
            except lmdb.MapResizedError:  # another process has added to the store
                environment.set_mapsize(0)
                with environment.begin(buffers=True) as transaction:
                    return query(transaction)

    def _get(self, media_id: str, name: bytes | None = None) -> bytes | None:
        """Return the value of an id in a sub-database, or in the main one."""
        key = to_key(media_id)
        database = None if name is None else self._database(name)
        if key is None or (name is not None and database is None):
            return None
        return self._read(lambda transaction: _copy(transaction.get(key, db=database)))

    def _read_form(self, media_id: str, slices: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return slices of a prepared form without reading the pages of the rest."""
        key, database = to_key(media_id), self._database(PREPARED)
        assert key is not None, "ids in the manifest are valid keys"

        def copy(transaction: lmdb.Transaction) -> list[bytes]:
            form = transaction.get(key, b"", db=database) if database is not None else b""
            return [bytes(form[start:end]) for start, end in slices]

        return self._read(copy)

    def stored_entry(self, media_id: str) -> MediaEntry | None:
        """Return the manifest entry if there is one, without probing the file."""
        data = self._get(media_id, MANIFEST)
        return None if data is None else decode_entry(data)

    def _read_entry(self, media_id: str) -> MediaEntry:
        return self.stored_entry(media_id) or self._probe(media_id)

    def _probe_now(self, media_id: str) -> MediaEntry:
        return probe(self.read(media_id), media_id=media_id, file_name=media_id)


class StoreGroup:
    """Several stores as one. Two of them may contain the same file under one id, but not different files."""

    def __init__(self, stores: Sequence[MediaStore]) -> None:
        self.stores = tuple(stores)

    def __contains__(self, media_id: object) -> bool:
        return any(media_id in store for store in self.stores)

    def __len__(self) -> int:
        """Return the sum over the stores; finding files that two of them contain would take long."""
        return sum(map(len, self.stores))

    def ids(self) -> Iterator[str]:
        """Yield all ids, sorted and without duplicates.

        Raises:
            DataError: An id refers to different files.
        """
        previous = None
        for media_id in heapq.merge(*(store.ids() for store in self.stores), key=os.fsencode):
            if media_id == previous:
                self.store_of(media_id)
                continue
            yield media_id
            previous = media_id

    def entry(self, media_id: str) -> MediaEntry:
        """Return the manifest entry. Raises DataError as `store_of`."""
        return self.store_of(media_id).entry(media_id)

    def read(self, media_id: str) -> bytes:
        """Return the original bytes. Raises DataError as `store_of`."""
        return self.store_of(media_id).read(media_id)

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """Open a decoder; see `MediaSource.open`. Raises DataError as `store_of`."""
        return self.store_of(media_id).open(media_id, longer_side=longer_side)

    def store_of(self, media_id: str) -> MediaStore:
        """Return the store that contains an id.

        Args:
            media_id: Id of the item.

        Returns:
            The first store that contains it.

        Raises:
            DataError: No store contains the id, or two contain different files.
        """
        holders = [store for store in self.stores if media_id in store]
        if not holders:
            error = _missing_error(media_id, self.stores)
            raise error
        if len(holders) > 1 and len({_content_hash(store, media_id) for store in holders}) > 1:
            raise DataError(
                f"{media_id!r} is not the same file in {holders[0].path} and {holders[1].path}",
                "Give only one of the stores (--media), or rename one of the files and ingest it again.",
            )
        return holders[0]


def open_stores(paths: Sequence[Path]) -> MediaSource:
    """Return a single media source over all given stores; a store given twice counts once."""
    distinct = {Path(path).resolve(): Path(path) for path in paths}
    if not distinct:
        raise ValueError("paths must contain at least one store")
    stores = [MediaStore(path) for path in distinct.values()]
    return stores[0] if len(stores) == 1 else StoreGroup(stores)


def known_entry(media: MediaSource, media_id: str) -> MediaEntry | None:
    """Return the manifest entry of an item, or None if there is none, so that nothing is decoded."""
    if isinstance(media, StoreGroup):
        return known_entry(media.store_of(media_id), media_id)
    return media.stored_entry(media_id) if isinstance(media, MediaStore) else media.entry(media_id)


def _content_hash(store: MediaStore, media_id: str) -> str:
    """Return the hash of an item's file, which tells files apart."""
    entry = store.stored_entry(media_id)
    return entry.sha256 if entry else hashlib.sha256(store.read(media_id)).hexdigest()


def _copy(data: Any) -> bytes | None:
    """Copy mapped memory, so that it outlives the transaction."""
    return None if data is None else bytes(data)


def _count_items(transaction: lmdb.Transaction) -> int:
    present = sum(transaction.get(name) is not None for name in SUB_DATABASES)
    return int(transaction.stat()["entries"]) - present


def _keys_from(transaction: lmdb.Transaction, start: bytes) -> list[bytes]:
    cursor = transaction.cursor()
    if not (cursor.set_range(start) if start else cursor.first()):
        return []
    return [bytes(key) for key in islice(cursor.iternext(values=False), _KEYS_PER_READ)]


def _missing_error(media_id: str, stores: Sequence[MediaStore]) -> DataError:
    """Return the error for an id that no store contains."""
    ids = list(islice(chain.from_iterable(store.ids() for store in stores), _MAX_COMPARED_IDS))
    nearest = difflib.get_close_matches(media_id, ids, n=3, cutoff=0.4) or ids[:3]
    paths = ", ".join(str(store.path) for store in stores)
    count = sum(map(len, stores))
    hint = f"Nearest ids: {', '.join(nearest)}." if nearest else "The store is empty."
    return DataError(
        f"no media item {media_id!r} among the {count} of {paths}",
        f"{hint} Add files: clipbug ingest FOLDER --out {stores[0].path}",
    )
