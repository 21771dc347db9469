"""Serialize manifest entries: a version number followed by compressed JSON."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import accumulate, chain, groupby, pairwise, repeat
from typing import Any

from clipbug.data.media import MediaEntry, PacketTable, PreparedInfo
from clipbug.errors import DataError

_VERSION = 3
_READ_VERSIONS = (1, 2, 3)


def encode_entry(entry: MediaEntry) -> bytes:
    """Serialize an entry for `decode_entry`; about 340 bytes for a recording."""
    values = {field.name: getattr(entry, field.name) for field in fields(MediaEntry)}
    values["packets"] = _pack_table(entry.packets) if entry.packets else None
    values["prepared"] = asdict(entry.prepared) if entry.prepared else None
    return bytes([_VERSION]) + zlib.compress(json.dumps(values, separators=(",", ":")).encode())


def decode_entry(data: bytes) -> MediaEntry:
    """Deserialize an entry from `encode_entry`.

    Args:
        data: Bytes from a store.

    Returns:
        The entry.

    Raises:
        DataError: The bytes are damaged, or were written by a newer clipbug.
    """
    if not data or data[0] not in _READ_VERSIONS:
        version = data[0] if data else "none"
        raise DataError(
            f"a manifest entry has version {version}, but this clipbug reads versions up to {_VERSION}",
            "Update clipbug: pip install --upgrade clipbug",
        )
    try:
        values: dict[str, Any] = json.loads(zlib.decompress(data[1:]))
        packets, prepared = values.pop("packets"), values.pop("prepared", None)
        other_sizes = values.pop("other_sizes", ())
        return MediaEntry(
            **values,
            packets=_unpack_table(packets) if packets else None,
            prepared=PreparedInfo(**prepared) if prepared else None,
            other_sizes=tuple((width, height) for width, height in other_sizes),
        )
    except (zlib.error, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"a manifest entry is damaged: {error}", "Ingest the files again into a new store."
        ) from error


def _pack_table(table: PacketTable) -> dict[str, Any]:
    values: dict[str, Any] = {field.name: getattr(table, field.name) for field in fields(PacketTable)}
    values["pts"] = [after - before for before, after in pairwise((0, *table.pts))]
    values["changes"] = _pack_values(table.changes)
    values["is_keyframe"] = _run_lengths(table.is_keyframe)
    values["is_shown"] = _run_lengths(table.is_shown)
    return values


def _unpack_table(values: dict[str, Any]) -> PacketTable:
    numerator, denominator = values.pop("time_base")
    coded_size = values.pop("coded_size", None)
    return PacketTable(
        **{
            **values,
            "time_base": (numerator, denominator),
            "pts": tuple(accumulate(values["pts"])),
            "coded_size": tuple(coded_size) if coded_size else None,
            "changes": _unpack_values(values.get("changes", [])),
            "is_keyframe": _unpack_flags(values["is_keyframe"]),
            "is_shown": _unpack_flags(values["is_shown"]),
        }
    )


def _pack_values(values: Sequence[int]) -> list[int]:
    """Return value and length of each run of equal values, flattened."""
    return [number for value, run in groupby(values) for number in (value, len(list(run)))]


def _unpack_values(packed: Sequence[int]) -> tuple[int, ...]:
    runs = zip(packed[::2], packed[1::2], strict=True)
    return tuple(chain.from_iterable(repeat(value, length) for value, length in runs))


def _run_lengths(flags: Sequence[bool]) -> list[int]:
    """Return the lengths of runs of equal flags; the first run is of True and may be empty."""
    lengths = [len(list(run)) for _, run in groupby(flags)]
    return lengths if flags and flags[0] else [0, *lengths]


def _unpack_flags(lengths: Sequence[int]) -> tuple[bool, ...]:
    return tuple(index % 2 == 0 for index, length in enumerate(lengths) for _ in range(length))
