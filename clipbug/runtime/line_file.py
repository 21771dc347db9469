"""Files of lines that grow: a line is on disk as a whole or not at all, whenever the process is killed."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from filelock import FileLock, Timeout

from clipbug.errors import ClipbugError

_BINARY = getattr(os, "O_BINARY", 0)  # Windows would write line ends of its own


class LinePlace(NamedTuple):
    """Where a line stands."""

    path: Path
    start: int
    num_bytes: int

    def read(self) -> bytes:
        """The line, without its end."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.num_bytes)


class LineFile:
    """Appends lines to a file that nobody else writes; what a killed process left half-written goes.

    Raises:
        ClipbugError: another process has the file open, the disk is full, the file cannot be written ...
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path.with_name(f"{path.name}.lock"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._acquire_lock()
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | _BINARY, 0o644)
            whole = sum(place.num_bytes + 1 for place, _ in complete_lines(path))
            os.ftruncate(self._descriptor, whole)
            os.lseek(self._descriptor, whole, os.SEEK_SET)
        except OSError as error:
            raise self._error(error) from error

    def _acquire_lock(self) -> None:
        """Take the lock, which the system gives back when the process ends, however it ends."""
        try:
            self._lock.acquire(blocking=False)
        except NotImplementedError:  # a file system without locks: better unprotected than unusable
            return
        except Timeout as error:
            raise ClipbugError(
                f"another process is writing {self.path}",
                "Wait for it, or choose another folder with --output.",
            ) from error

    def append(self, lines: Sequence[str]) -> None:
        """Write lines (without line ends in them); when this returns, they survive a crash of the machine."""
        data = "".join(f"{line}\n" for line in lines).encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Let others write."""
        os.close(self._descriptor)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _error(self, error: OSError) -> ClipbugError:
        return ClipbugError(
            f"cannot write {self.path}: {error.strerror or error}",
            "Free some space and give the same command again: it goes on from the lines that are complete.",
        )


def complete_lines(path: Path) -> Iterator[tuple[LinePlace, bytes]]:
    """The lines of a file and where they stand; a last line without an end is none."""
    start = 0
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield LinePlace(path, start, len(line) - 1), line[:-1]
            start += len(line)
