"""Detect truncated weight files: how many bytes they have and should have."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

ZIP_START = b"PK\x03\x04"
OLD_TORCH_START = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
"""Start of files from torch before 1.6: a separately pickled magic number."""

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_NUM_PICKLES_OF_OLD_TORCH = 5  # magic number, protocol, system, objects, keys of the storages
_PROTOCOLS = range(6)
_ITEM_SIZES = {
    **{"ComplexDouble": 16, "ComplexFloat": 8, "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2},
    **{"Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1},
}


def cut_off(path: Path) -> str | None:
    """Describe what is missing from a truncated file ("cut off: 10 of 20 bytes").

    Compares only the sizes that the file itself declares; damage inside is not detected.

    Returns:
        The description, or None if the file is complete.
    """
    with path.open("rb") as file:
        start = file.read(len(OLD_TORCH_START))
        size = path.stat().st_size
        if path.suffix == ".safetensors":
            return _cut(size, _safetensors_size(file))
        if start.startswith(ZIP_START):
            if zipfile.is_zipfile(path):
                return None
            return _cut(size, _torch_zip_size(file), is_least=True) or (
                f"cut off after {size} bytes: the table of contents at its end is missing"
            )
        if start == OLD_TORCH_START:
            expected = _old_torch_size(file)
            if expected is None:
                return f"cut off or damaged: its {size} bytes contain no complete list of tensors"
            return _cut(size, expected)
        return _cut_pickle(file, size)


def _cut(size: int, expected: int | None, *, is_least: bool = False) -> str | None:
    if expected is None or size >= expected:
        return None
    return f"cut off: {size} of {'at least ' if is_least else ''}{expected} bytes"


def _safetensors_size(file: BinaryIO) -> int | None:
    """Return the size declared by the header: its own length and the last offset; None without a header."""
    file.seek(0)
    first = file.read(8)
    if len(first) < 8:
        return 8
    length = int.from_bytes(first, "little")
    if length > 100_000_000:  # beyond the format's limit, so this is no header
        return None
    header = file.read(length)
    if len(header) < length:
        return 8 + length if header.startswith(b"{") else None
    try:
        entries = json.loads(header)
        ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None
    return 8 + length + max(ends, default=0)


def _torch_zip_size(file: BinaryIO) -> int | None:
    """Return the minimum size for the tensors in the first entry, data.pkl; None if that is truncated too."""
    file.seek(0)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        return None
    name_length, extra_length = _LOCAL_HEADER.unpack(header)[-2:]
    if not file.read(name_length).endswith(b"data.pkl"):
        return None
    file.seek(extra_length, io.SEEK_CUR)
    sizes: dict[Any, int] = {}
    if not _is_read(file, sizes):
        return None
    return file.tell() + sum(sizes.values())


def _old_torch_size(file: BinaryIO) -> int | None:
    """Return the size of pickles and storages, each after an 8-byte length; None on a truncated pickle."""
    file.seek(0)
    sizes: dict[Any, int] = {}
    for _ in range(_NUM_PICKLES_OF_OLD_TORCH):
        if not _is_read(file, sizes):
            return None
    return file.tell() + sum(8 + size for size in sizes.values())


def _cut_pickle(file: BinaryIO, size: int) -> str | None:
    """Describe a truncated pickle: a complete one ends with a full stop."""
    file.seek(0)
    first = file.read(2)
    if len(first) < 2 or first[0] != 0x80 or first[1] not in _PROTOCOLS:
        return None
    file.seek(0)
    try:
        _Sizes(file, {}).load()
    except (EOFError, pickle.UnpicklingError) as error:
        if isinstance(error, EOFError) or "truncated" in str(error) or "exhausted" in str(error):
            return f"cut off after {size} bytes: the end of its pickle is missing"
    except Exception:  # damaged in another way, which the reader reports
        return None
    return None


def _is_read(file: BinaryIO, sizes: dict[Any, int]) -> bool:
    try:
        _Sizes(file, sizes).load()
    except Exception:  # a truncated or damaged pickle may raise anything
        return False
    return True


class _Nothing:
    """Replaces every class and function that a pickle names, so that none of them runs."""

    def __new__(cls, *_: Any, **__: Any) -> "_Nothing":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> "_Nothing":
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Ignore the value; pickles call it on lists."""

    def extend(self, values: Any) -> None:
        """Ignore the values; pickles call it on lists."""


class _Sizes(pickle._Unpickler):
    """Records the size of each storage in a torch pickle without creating any of its objects.

    Uses the pure-Python unpickler, since the C one reads beyond the end of a pickle.
    """

    def __init__(self, file: BinaryIO, sizes: dict[Any, int]) -> None:
        super().__init__(file, encoding="latin1")
        self._sizes = sizes

    def find_class(self, module: str, name: str) -> Any:
        return type(name, (_Nothing,), {})

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, count = pid[:5]
        self._sizes[key] = count * _item_size(kind.__name__)
        return _Nothing()


def _item_size(storage: str) -> int:
    """Return the bytes per element of a storage class; 1 (the minimum) for an unknown class."""
    return _ITEM_SIZES.get(storage.removesuffix("Storage"), 1)
