"""Stores: original files by id in LMDB, with a manifest of what is known about each."""

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
_MAX_ENTRIES = 64  # a sample asks for its entry several times
_MAX_PROBED_ENTRIES = 1024
_Result = TypeVar("_Result")


class MediaStore:
    """A store for reading. It opens when first used, in the process that uses it, and may be sent to others.

    A plain LMDB of files, as ClipBERT's script makes, is a store too; its files are probed when asked for.

    Args:
        path: folder made by `clipbug ingest`.

    Raises:
        DataError: on first use, if there is no store, or it is damaged.
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
        """All ids, sorted."""
        start = b""
        while keys := self._read(partial(_keys_from, start=start)):
            yield from (from_key(key) for key in keys if key not in SUB_DATABASES)
            start = keys[-1] + b"\0"

    def entry(self, media_id: str) -> MediaEntry:
        """The manifest entry. Raises DataError with the nearest ids if there is no such id."""
        return self._entry(media_id)

    def read(self, media_id: str) -> bytes:
        """The original bytes. Raises DataError: no such id (the nearest are named), or they are not kept."""
        data = self._get(media_id)
        if data is None:
            raise _missing(media_id, [self])
        if not data and not self.entry(media_id).has_original:
            raise DataError(
                f"store {self.path} keeps only the prepared form of {media_id!r}",
                "The original was left out by --drop-original; ingest the file into another store.",
            )
        return data

    def prepared_form(self, media_id: str) -> bytes | None:
        """All of a prepared form, or None if there is none."""
        return self._get(media_id, PREPARED)

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """See `MediaSource.open`."""
        entry = self.entry(media_id)
        wants_form = longer_side is not None and entry.is_prepared_for(longer_side)
        if entry.prepared is not None and (wants_form or not entry.has_original):
            return PreparedDecoder(entry, partial(self._read_form, media_id))
        return open_media(self.read(media_id), media_id=media_id, packets=entry.packets)

    def close(self) -> None:
        """Let go of the file. The store opens again if it is used again."""
        self._environment: lmdb.Environment | None = None
        self._databases: dict[bytes, Any] = {}  # lmdb gives their type no name
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
        """A sub-database, looked for again where there was none: another process may have added it."""
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
        """The value of an id in a sub-database, or in the main one."""
        key = to_key(media_id)
        database = None if name is None else self._database(name)
        if key is None or (name is not None and database is None):
            return None
        return self._read(lambda transaction: _copy(transaction.get(key, db=database)))

    def _read_form(self, media_id: str, slices: Sequence[tuple[int, int]]) -> list[bytes]:
        """Parts of a prepared form; pages of the others are not touched."""
        key, database = to_key(media_id), self._database(PREPARED)
        assert key is not None, "it is in the manifest"

        def copy(transaction: lmdb.Transaction) -> list[bytes]:
            form = transaction.get(key, b"", db=database) if database is not None else b""
            return [bytes(form[start:end]) for start, end in slices]

        return self._read(copy)

    def stored_entry(self, media_id: str) -> MediaEntry | None:
        """The manifest entry if there is one; nothing is probed."""
        data = self._get(media_id, MANIFEST)
        return None if data is None else decode_entry(data)

    def _read_entry(self, media_id: str) -> MediaEntry:
        return self.stored_entry(media_id) or self._probe(media_id)

    def _probe_now(self, media_id: str) -> MediaEntry:
        return probe(self.read(media_id), media_id=media_id, file_name=media_id)


class StoreGroup:
    """Several stores as one. Two of them may hold the same file under one id, but not different files."""

    def __init__(self, stores: Sequence[MediaStore]) -> None:
        self.stores = tuple(stores)

    def __contains__(self, media_id: object) -> bool:
        return any(media_id in store for store in self.stores)

    def __len__(self) -> int:
        """Of all stores; a file that two of them hold counts twice, since looking for it would take long."""
        return sum(map(len, self.stores))

    def ids(self) -> Iterator[str]:
        """All ids, sorted, each once. Raises DataError at an id of different files."""
        previous = None
        for media_id in heapq.merge(*(store.ids() for store in self.stores), key=os.fsencode):
            if media_id == previous:
                self.store_of(media_id)
                continue
            yield media_id
            previous = media_id

    def entry(self, media_id: str) -> MediaEntry:
        """The manifest entry. Raises DataError if no store holds the id, or two hold different files."""
        return self.store_of(media_id).entry(media_id)

    def read(self, media_id: str) -> bytes:
        """The original bytes. Raises DataError if no store holds the id, or two hold different files."""
        return self.store_of(media_id).read(media_id)

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """See `MediaSource.open`. Raises DataError also if two stores hold different files of this id."""
        return self.store_of(media_id).open(media_id, longer_side=longer_side)

    def store_of(self, media_id: str) -> MediaStore:
        """The store that holds an id. Raises DataError if none does, or two hold different files."""
        holders = [store for store in self.stores if media_id in store]
        if not holders:
            raise _missing(media_id, self.stores)
        if len(holders) > 1 and len({_content(store, media_id) for store in holders}) > 1:
            raise DataError(
                f"{media_id!r} is another file in {holders[0].path} than in {holders[1].path}",
                "Name only one of them (--media), or rename one of the files and ingest it again.",
            )
        return holders[0]


def open_stores(paths: Sequence[Path]) -> MediaSource:
    """Return one source over all stores named; a store that is named twice counts once."""
    distinct = {Path(path).resolve(): Path(path) for path in paths}
    if not distinct:
        raise ValueError("no store named")
    stores = [MediaStore(path) for path in distinct.values()]
    return stores[0] if len(stores) == 1 else StoreGroup(stores)


def known_entry(media: MediaSource, media_id: str) -> MediaEntry | None:
    """The manifest entry of an item; None where there is none, so that nothing is decoded for it."""
    if isinstance(media, StoreGroup):
        return known_entry(media.store_of(media_id), media_id)
    return media.stored_entry(media_id) if isinstance(media, MediaStore) else media.entry(media_id)


def _content(store: MediaStore, media_id: str) -> str:
    """What tells one file from another: its hash."""
    entry = store.stored_entry(media_id)
    return entry.sha256 if entry else hashlib.sha256(store.read(media_id)).hexdigest()


def _copy(data: Any) -> bytes | None:
    """What lies in the map, as bytes that outlive the transaction."""
    return None if data is None else bytes(data)


def _count_items(transaction: lmdb.Transaction) -> int:
    present = sum(transaction.get(name) is not None for name in SUB_DATABASES)
    return int(transaction.stat()["entries"]) - present


def _keys_from(transaction: lmdb.Transaction, start: bytes) -> list[bytes]:
    cursor = transaction.cursor()
    if not (cursor.set_range(start) if start else cursor.first()):
        return []
    return [bytes(key) for key in islice(cursor.iternext(values=False), _KEYS_PER_READ)]


def _missing(media_id: str, stores: Sequence[MediaStore]) -> DataError:
    """The error for an id that no store holds."""
    ids = list(islice(chain.from_iterable(store.ids() for store in stores), _MAX_COMPARED_IDS))
    nearest = difflib.get_close_matches(media_id, ids, n=3, cutoff=0.4) or ids[:3]
    places = ", ".join(str(store.path) for store in stores)
    count = sum(map(len, stores))
    hint = f"Nearest ids: {', '.join(nearest)}." if nearest else "The store is empty."
    return DataError(
        f"no image or recording {media_id!r} among the {count} of {places}",
        f"{hint} Add files: clipbug ingest FOLDER --out {stores[0].path}",
    )
