"""Reading and probing files, in this process or in several."""

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from clipbug.data.media import MediaEntry
from clipbug.data.probe import probe
from clipbug.errors import DataError, DecodeError
from clipbug.recipes.media_files import FileType


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that is not stored, and why."""

    path: Path
    reason: str


LoadedFile = tuple[MediaEntry, bytes] | BadFile


def load_files(files: Sequence[Path], file_type: FileType, *, num_workers: int) -> Iterator[LoadedFile]:
    """Each file with its manifest entry, or the reason why it cannot be stored; in order.

    Raises:
        DataError: a worker process died.
    """
    if num_workers == 0:
        yield from (load_file(file, file_type) for file in files)
        return
    waiting: deque[tuple[Path, Future[LoadedFile]]] = deque()
    with ProcessPoolExecutor(num_workers, get_context("spawn"), _leave_interrupts_to_parent) as pool:
        for file in files:
            waiting.append((file, pool.submit(load_file, file, file_type)))
            if len(waiting) >= 2 * num_workers:
                yield _result(waiting)
        while waiting:
            yield _result(waiting)


def load_file(file: Path, file_type: FileType) -> LoadedFile:
    """Read and probe one file."""
    try:
        data = file.read_bytes()
        entry = probe(data, media_id=file.stem, file_name=file.name)
    except OSError as error:
        return BadFile(file, f"the file cannot be read: {error.strerror}")
    except DecodeError as error:
        return BadFile(file, error.message.removeprefix(f"{file.stem}: "))
    if file_type not in ("auto", entry.kind):
        found = {"image": "a still picture", "video": "a recording"}[entry.kind]
        return BadFile(file, f"it holds {found} ({entry.codec}), which --file-type {file_type} does not take")
    return entry, data


def _result(waiting: deque[tuple[Path, Future[LoadedFile]]]) -> LoadedFile:
    file, future = waiting.popleft()
    try:
        return future.result()
    except BrokenProcessPool as error:
        suspects = ", ".join(str(path) for path in (file, *(path for path, _ in waiting)))
        raise DataError(
            f"a worker process died while it looked at one of: {suspects}",
            "Ingest these files one by one to find the one that does it; what was stored before is safe.",
        ) from error


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
