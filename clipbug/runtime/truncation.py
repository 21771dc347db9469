"""Weight files that were cut off: how many bytes there are, and how many there should be."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

ZIP_START = b"PK\x03\x04"
OLD_TORCH_START = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
"""How files of torch before 1.6 begin: a number, pickled on its own."""

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_NUM_PICKLES_OF_OLD_TORCH = 5  # magic number, protocol, system, objects, keys of the storages
_PROTOCOLS = range(6)
_ITEM_SIZES = {
    **{"ComplexDouble": 16, "ComplexFloat": 8, "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2},
    **{"Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1},
}


def cut_off(path: Path) -> str | None:
    """What is missing of a file whose end is missing ("cut off: 10 of 20 bytes"), or None.

    Only the sizes that the file states itself are compared; damage inside is not found.
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
                return f"cut off or damaged: its {size} bytes hold no complete list of tensors"
            return _cut(size, expected)
        return _cut_pickle(file, size)


def _cut(size: int, expected: int | None, *, is_least: bool = False) -> str | None:
    if expected is None or size >= expected:
        return None
    return f"cut off: {size} of {'at least ' if is_least else ''}{expected} bytes"


def _safetensors_size(file: BinaryIO) -> int | None:
    """By the header: its own length, then the last offset; None if there is no such header."""
    file.seek(0)
    first = file.read(8)
    if len(first) < 8:
        return 8
    length = int.from_bytes(first, "little")
    if length > 100_000_000:  # the format's own limit; these are other bytes
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
    """At least so many bytes: the tensors that the first entry, data.pkl, names. None if that is cut too."""
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
    """Pickles, then each storage behind its length of 8 bytes; None if a pickle is cut."""
    file.seek(0)
    sizes: dict[Any, int] = {}
    for _ in range(_NUM_PICKLES_OF_OLD_TORCH):
        if not _is_read(file, sizes):
            return None
    return file.tell() + sum(8 + size for size in sizes.values())


def _cut_pickle(file: BinaryIO, size: int) -> str | None:
    """A pickle ends with a full stop; one that was cut off ends with anything else, or lacks bytes."""
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
    except Exception:  # damaged in another way, which the reader says
        return None
    return None


def _is_read(file: BinaryIO, sizes: dict[Any, int]) -> bool:
    try:
        _Sizes(file, sizes).load()
    except Exception:  # a cut or damaged pickle fails in any way
        return False
    return True


class _Nothing:
    """Stands for every class and function that a pickle names, so that nothing of them runs."""

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
        """As lists."""

    def extend(self, values: Any) -> None:
        """As lists."""


class _Sizes(pickle._Unpickler):
    """Notes the bytes of each storage that a pickle of torch names; makes no object of any class.

    The reader in Python, since that in C reads beyond the end of a pickle.
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
    """Bytes of a number of a storage, by the storage's class; 1 (the least) of a class that is not known."""
    return _ITEM_SIZES.get(storage.removesuffix("Storage"), 1)
