"""One store as several in a folder."""

import zlib
from pathlib import Path

from clipbug.data.environment import DATA_FILE
from clipbug.data.store import SHARD_PREFIX, shards_of
from clipbug.errors import DataError


def places_of_shards(store: Path, num_shards: int) -> list[Path]:
    """The folders of a store's shards; the store itself if it has one only.

    Raises:
        DataError: the store is divided in another way: ids would be looked for in the wrong shard.
    """
    there = shards_of(store)
    if (store / DATA_FILE).is_file() and num_shards > 1:
        raise DataError(f"{store} is one store, not {num_shards} shards", "Choose another place with --out.")
    if there and num_shards not in (1, len(there)):
        raise DataError(f"{store} has {len(there)} shards, not {num_shards}", "Leave out --shards.")
    if there or num_shards == 1:
        return there or [store]
    return [store / f"{SHARD_PREFIX}{number:03}" for number in range(num_shards)]


def shard_of(media_id: str, num_shards: int) -> int:
    """Which shard an id belongs to, the same on every machine."""
    return zlib.crc32(media_id.encode("utf-8", "surrogateescape")) % num_shards
