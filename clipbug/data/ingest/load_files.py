"""Read, probe and prepare files, in this process or in workers."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clipbug.data.decoding.container import is_without_index
from clipbug.data.decoding.content import count_missing_bytes, detect_content
from clipbug.data.ingest.find_files import FileType
from clipbug.data.media import MediaEntry
from clipbug.data.store.prepare import PrepareSettings, prepare
from clipbug.data.store.probe import probe
from clipbug.errors import DecodeError
from clipbug.runtime.contained import ContainedPool, Lost
from clipbug.runtime.files import special_file

__all__ = ["BadFile", "LoadedFile", "PrepareSettings", "load_file", "load_files", "load_raw"]

_NO_FILE = "it is {}, not a file"
_SECONDS_PER_FILE = 600.0  # the whole file is decoded once
_SECONDS_PER_PREPARED_FILE = 1800.0
_BYTES_PER_WORKER = 8 << 30


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that cannot be stored, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file that can be stored.

    Attributes:
        entry: None for a file that was not probed.
        form: Its prepared form, if requested and possible.
        not_prepared: Why there is no prepared form although it was requested.
    """

    path: Path
    entry: MediaEntry | None
    data: bytes
    form: bytes | None = None
    not_prepared: str = ""


def load_files(
    files: Sequence[Path], file_type: FileType, *, settings: PrepareSettings | None, num_workers: int
) -> Iterator[LoadedFile | BadFile]:
    """Read files with their manifest entries, in order.

    In worker processes, a file that crashes the decoder or makes it hang is reported as a bad file.

    Args:
        files: Files to read.
        file_type: What the files should contain.
        settings: How to prepare recordings; None to skip that.
        num_workers: Number of worker processes; 0 reads in this process, without that protection.

    Yields:
        The loaded file, or the reason why it cannot be stored.
    """
    load = partial(load_file, file_type=file_type, settings=settings)
    if num_workers == 0:
        yield from map(load, files)
        return
    limit = _SECONDS_PER_FILE if settings is None else _SECONDS_PER_PREPARED_FILE
    pool = ContainedPool(
        load, num_workers=num_workers, seconds_per_item=limit, bytes_per_worker=_BYTES_PER_WORKER
    )
    for file, result in zip(files, pool.map(files), strict=True):
        yield BadFile(file, f"decoding it {result.reason}") if isinstance(result, Lost) else result


def load_file(file: Path, file_type: FileType, settings: PrepareSettings | None) -> LoadedFile | BadFile:
    """Read, probe and prepare one file."""
    if kind := special_file(file):
        return BadFile(file, _NO_FILE.format(kind))
    try:
        data = file.read_bytes()
        entry = probe(data, media_id=file.stem, file_name=_name(file))
    except OSError as error:
        return BadFile(file, f"the file cannot be read: {error.strerror}")
    except DecodeError as error:
        return BadFile(file, _reason(error, file))
    except MemoryError:
        return BadFile(file, "decoding it needs more memory than is available")
    if file_type not in ("auto", entry.kind):
        found = {"image": "a still image", "video": "a recording"}[entry.kind]
        return BadFile(file, f"it is {found} ({entry.codec}), which --file-type {file_type} excludes")
    if settings is None or entry.kind == "image":
        return LoadedFile(file, entry, data)
    try:
        entry, form = prepare(data, entry, settings)
    except DecodeError as error:
        return LoadedFile(file, entry, data, not_prepared=_reason(error, file))
    return LoadedFile(file, entry, data, form)


def load_raw(file: Path) -> LoadedFile | BadFile:
    """Read one file without probing; reject only empty files, texts and truncated images."""
    if kind := special_file(file):
        return BadFile(file, _NO_FILE.format(kind))
    try:
        data = file.read_bytes()
    except OSError as error:
        return BadFile(file, f"the file cannot be read: {error.strerror}")
    if not data:
        return BadFile(file, "the file is empty (0 bytes)")
    if detect_content(data) == "text":
        return BadFile(file, "this is a text file")
    if is_without_index(data):
        return BadFile(file, "its index (moov) is missing")
    if (missing := count_missing_bytes(data)) and detect_content(data) != "video":
        return BadFile(file, f"the file is cut off: at least {missing} bytes are missing at the end")
    return LoadedFile(file, None, data)


def _name(file: Path) -> str:
    """Return the file name decoded as UTF-8, whatever the locale of this process."""
    return os.fsencode(file.name).decode("utf-8", "surrogateescape")


def _reason(error: DecodeError, file: Path) -> str:
    return error.message.removeprefix(f"{file.stem}: ")
