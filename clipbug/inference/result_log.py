"""Results of an inference while it is under way, so that it resumes where it was stopped.

    parts/settings.json       what the results depend on; results of other settings are discarded
    parts/rank-00000.sqlite   of each process, one transaction per batch

All machines must see the folder. A process that is killed loses the batch that it computed, nothing else.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipbug.builders.batches import BatchBuilder
from clipbug.data.loading.batch import Batch, UnreadVisual
from clipbug.data.records import Record
from clipbug.engine.predictor import NOT_FINITE, NOT_FINITE_HINT
from clipbug.errors import ClipbugError
from clipbug.runtime.distributed import Distributed, barrier
from clipbug.runtime.files import atomic_write, remove_folder
from clipbug.runtime.json_text import json_text

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS arrays (
    key TEXT NOT NULL, name TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (key, name)
);
CREATE TABLE IF NOT EXISTS unread (media_id TEXT PRIMARY KEY, content TEXT NOT NULL);
"""
_SHARED_HINT = "All machines must see one folder of predictions: name it with --output."


@dataclass(frozen=True, slots=True)
class Result:
    """What was computed for one item.

    Attributes:
        key: the id of the record that is answered, or of the recording that is ranked.
        content: what JSON can hold.
        arrays: float32 arrays by name, kept bit for bit.
    """

    key: str
    content: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def is_finite(self) -> bool:
        """Return whether all values of all arrays are finite."""
        return all(np.isfinite(values).all() for values in self.arrays.values())


class ResultLog:
    """The results of all processes of one inference.

    Args:
        folder: of its final results; the log is in `parts/` next to them.
        settings: everything that the results depend on.

    Attributes:
        unread: media that could not be read, by id: media_id, reason, hint, and the ids of its records.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.path = folder / "parts"
        self.unread: dict[str, dict[str, Any]] = {}
        self._settings = json.dumps(settings, indent=1, sort_keys=True)
        self._file_of: dict[str, Path] = {}

    def __len__(self) -> int:
        return len(self._file_of)

    def open(self, processes: Distributed) -> "ResultWriter":
        """Find what earlier processes have done, and open this process's file. All processes must call it.

        Raises:
            ClipbugError: others are writing there, or another machine has another folder of this name.
        """
        settings = self.path / "settings.json"
        if processes.is_main:
            for path in self._files():  # the processes of a torchrun that was killed finish their work
                ResultWriter(path).close()
            if self.path.exists() and not (settings.exists() and settings.read_text() == self._settings):
                logger.info("starting over: %s is of an inference with other settings", self.path)
                self.remove()
            atomic_write(settings, self._settings)
        barrier(processes)
        if not settings.exists():
            raise ClipbugError(
                f"rank {processes.rank} does not see {settings}, which rank 0 has written", _SHARED_HINT
            )
        self.refresh()
        barrier(processes)  # no process writes before all have read
        return ResultWriter(self.path / f"rank-{processes.rank:05d}.sqlite")

    def refresh(self) -> None:
        """Read the keys of all results that are complete."""
        for path in self._files():
            with _reading(path) as database:
                self._file_of.update((key, path) for (key,) in database.execute("SELECT key FROM results"))
                for media_id, content in database.execute("SELECT media_id, content FROM unread"):
                    self.unread[media_id] = json.loads(content)

    def left(self, records: Sequence[Record], key: Callable[[Record], str]) -> list[Record]:
        """Return the records without a result whose media is not known to be unreadable."""
        return [
            record
            for record in records
            if key(record) not in self._file_of and record.media_id not in self.unread
        ]

    def results(self, keys: Iterable[str]) -> Iterator[Result]:
        """Yield the results in the order of `keys`, one by one; keys without a result are skipped."""
        connections: dict[Path, sqlite3.Connection] = {}
        try:
            for key in keys:
                if (path := self._file_of.get(key)) is not None:
                    connections[path] = connections.get(path) or _connect(path)
                    yield _read(connections[path], key)
        finally:
            for connection in connections.values():
                connection.close()

    def unread_media(self) -> tuple[UnreadVisual, ...]:
        """Return the media that could not be read, by id."""
        unread = (self.unread[media_id] for media_id in sorted(self.unread))
        return tuple(UnreadVisual(one["media_id"], (), one["reason"], one["hint"]) for one in unread)

    def remove(self) -> None:
        """Delete the log, when the results are elsewhere."""
        remove_folder(self.path)

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("rank-*.sqlite"))


class ResultWriter:
    """Adds results to a database that no other process writes.

    Raises:
        ClipbugError: another process has it open, the disk is full, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = _connect(path)
            # Held until closing; the system lets go of it when the process ends, however it ends.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(f"BEGIN EXCLUSIVE; {_SCHEMA} COMMIT;")

    def add(self, done: Sequence[Result] | UnreadVisual) -> None:
        """Write the results of a batch; when this returns, they survive a crash of the machine."""
        with self._errors(), self._database:
            if isinstance(done, UnreadVisual):
                ids = [record.record_id for record in done.records]
                unread = {"media_id": done.media_id, "reason": done.reason, "hint": done.hint, "ids": ids}
                row = (done.media_id, json.dumps(unread))
                self._database.execute("INSERT OR REPLACE INTO unread VALUES (?, ?)", row)
                return
            self._database.executemany(
                "INSERT OR REPLACE INTO results VALUES (?, ?)",
                [(one.key, json_text(one.content)) for one in done],
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO arrays VALUES (?, ?, ?, ?)",
                [
                    (one.key, name, json.dumps(values.shape), np.ascontiguousarray(values, "<f4").tobytes())
                    for one in done
                    for name, values in one.arrays.items()
                ],
            )

    def close(self) -> None:
        """Close the database and release its lock."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise ClipbugError(
                    f"another process is writing {self.path}",
                    "Wait for it, or choose another folder with --output.",
                ) from error
            raise self._unwritable(error) from error
        except (sqlite3.DatabaseError, OSError) as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> ClipbugError:
        reason = getattr(error, "strerror", None) or error
        return ClipbugError(
            f"cannot write {self.path}: {reason}",
            "Check that the folder can be written and the disk has space, and give the same command again: "
            "it resumes.",
        )


def compute_remaining(
    log: ResultLog,
    builder: BatchBuilder,
    records: Sequence[Record],
    *,
    key: Callable[[Record], str],
    compute: Callable[[Iterable[Batch | UnreadVisual]], Iterator[list[T] | UnreadVisual]],
    to_result: Callable[[T], Result],
) -> int:
    """Compute the results of this process that the log does not have, and add them batch by batch.

    Args:
        log: opened and refreshed here.
        builder: of batches.
        records: all that must have a result, or media that cannot be read.
        key: of a record's result.
        compute: from batches to a value for each item.
        to_result: what is kept of a value.

    Returns:
        The number of results that were there before.

    Raises:
        ClipbugError: the folder cannot be used, or this machine does not see the results of all processes.
    """
    with log.open(builder.processes) as writer:
        resumed = len(log)
        if resumed:
            logger.info("resuming: %d results are done", resumed)
        for done in compute(builder.inference(log.left(records, key))):
            if isinstance(done, UnreadVisual):
                writer.add(done)
                continue
            results = list(map(to_result, done))
            writer.add([result for result in results if result.is_finite])
            for result in results:
                if not result.is_finite:  # NaN would order rankings at random
                    reason = f"{result.key}: {NOT_FINITE}"
                    writer.add(UnreadVisual(result.key, (), reason, NOT_FINITE_HINT))
    barrier(builder.processes)
    log.refresh()
    if left := log.left(records, key):
        raise ClipbugError(
            f"{len(left)} of {len(records)} results are not in {log.path}, the first: {key(left[0])!r}",
            f"{_SHARED_HINT} The same command computes what is left.",
        )
    return resumed


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=0.0)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading; its tables exist, since rank 0 has opened it for writing before."""
    with closing(_connect(path)) as database:
        yield database


def _read(database: sqlite3.Connection, key: str) -> Result:
    (content,) = database.execute("SELECT content FROM results WHERE key = ?", (key,)).fetchone()
    rows = database.execute("SELECT name, shape, data FROM arrays WHERE key = ?", (key,))
    arrays = {
        name: np.frombuffer(data, "<f4").reshape(json.loads(shape)).astype(np.float32)
        for name, shape, data in rows
    }
    return Result(key, json.loads(content), arrays)
