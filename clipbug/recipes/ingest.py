"""`clipbug ingest`: files into a store, each looked at before it gets in."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.media import MediaEntry, MediaKind
from clipbug.data.probe import probe
from clipbug.data.store import StoreWriter
from clipbug.errors import DataError
from clipbug.recipes.file_loading import BadFile, LoadedFile, load_files
from clipbug.recipes.media_files import FileType, find_media_files
from clipbug.runtime.progress import ProgressBar

_MAX_BATCH_ITEMS = 1000
_MAX_BATCH_BYTES = 64 << 20
_MAX_BATCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class KindTotals:
    """What one kind of media amounts to, new and already stored together."""

    files: int = 0
    num_bytes: int = 0
    video_seconds: float = 0.0

    def plus(self, entry: MediaEntry) -> "KindTotals":
        """With one more file."""
        return KindTotals(
            self.files + 1, self.num_bytes + entry.num_bytes, self.video_seconds + entry.duration_seconds
        )


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        store: folder of the store.
        added: files stored now.
        already_there: files that the store held before, byte for byte.
        num_bytes, video_seconds: of the files added and already there.
        kinds: the same per kind.
        bad: files that are not stored.
        num_other_files: files passed by because of their extension.
    """

    store: Path
    added: int
    already_there: int
    num_bytes: int
    video_seconds: float
    kinds: dict[MediaKind, KindTotals]
    bad: tuple[BadFile, ...]
    num_other_files: int

    def to_json(self) -> dict[str, Any]:
        """For --json."""
        kinds = {
            kind: {"files": row.files, "num_bytes": row.num_bytes, "video_seconds": row.video_seconds}
            for kind, row in self.kinds.items()
        }
        return {
            "store": str(self.store),
            "added": self.added,
            "already_there": self.already_there,
            "num_bytes": self.num_bytes,
            "video_seconds": self.video_seconds,
            "kinds": kinds,
            "bad": [{"file": str(file.path), "reason": file.reason} for file in self.bad],
            "num_other_files": self.num_other_files,
        }


def ingest(
    paths: Sequence[Path],
    *,
    extensions: Sequence[str],
    file_type: FileType,
    store: Path,
    num_workers: int = 0,
) -> IngestReport:
    """Store the original bytes and a manifest entry of every file that can be decoded; add only what is new.

    The id of a file is its name without extension. What a stopped or failed run has committed stays, and the
    next run goes on from there.

    Args:
        paths: folders, walked to the bottom, and files.
        extensions: which files of the folders; empty for all known ones.
        file_type: what the files must hold; others are reported as bad.
        store: folder to add to, or to make.
        num_workers: processes that probe; 0 for this one.

    Raises:
        DataError: nothing to ingest, two files with one id, an id that the store holds with other bytes, or a
            store that cannot be written. Bad files are no error: they are in the report.
    """
    found = find_media_files(paths, extensions=extensions, file_type=file_type)
    with StoreWriter(store) as writer, ProgressBar("ingest", len(found.files), unit="files") as progress:
        run = _Run(writer, progress)
        new = [file for file in found.files if not run.skip_stored(file)]
        try:
            for result in load_files(new, file_type, num_workers=num_workers):
                run.take(result)
        finally:
            run.commit()
    return run.report(num_other_files=found.num_others)


class _Run:
    """Counts files and commits the new ones in batches."""

    def __init__(self, writer: StoreWriter, progress: ProgressBar) -> None:
        self._writer = writer
        self._progress = progress
        self._batch: list[tuple[MediaEntry, bytes]] = []
        self._batch_bytes = 0
        self._last_commit = time.monotonic()
        self._added = self._already_there = 0
        self._kinds: dict[MediaKind, KindTotals] = {}
        self._bad: list[BadFile] = []

    def skip_stored(self, file: Path) -> bool:
        """Whether the store holds the file already.

        Raises:
            DataError: it holds another file of this id.
        """
        entry = self._writer.entry(file.stem)
        stored = self._writer.read(file.stem) if entry is None else None
        if stored is not None:  # of a store that another program made
            entry = probe(stored, media_id=file.stem, file_name=file.stem)
        if entry is None or not file.is_file():
            return False
        if not _is_same(file, entry):
            raise DataError(
                f"{file} has the id {entry.media_id!r}, under which {self._writer.path} holds another file"
                f" ({entry.file_name}, {entry.num_bytes} bytes); nothing was stored",
                "Rename the file, or ingest it into another store (--name).",
            )
        self._already_there += 1
        self._count(entry)
        return True

    def take(self, result: LoadedFile) -> None:
        """Put a file into the batch, or note that it is bad."""
        if isinstance(result, BadFile):
            self._bad.append(result)
            self._progress.update(bad=str(len(self._bad)))
            return
        self._batch.append(result)
        self._batch_bytes += len(result[1])
        self._added += 1
        self._count(result[0])
        if (
            len(self._batch) >= _MAX_BATCH_ITEMS
            or self._batch_bytes >= _MAX_BATCH_BYTES
            or time.monotonic() - self._last_commit >= _MAX_BATCH_SECONDS
        ):
            self.commit()

    def commit(self) -> None:
        """Write the batch."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        self._writer.put_many(batch)
        self._last_commit = time.monotonic()

    def report(self, *, num_other_files: int) -> IngestReport:
        """What was done."""
        return IngestReport(
            store=self._writer.path,
            added=self._added,
            already_there=self._already_there,
            num_bytes=sum(row.num_bytes for row in self._kinds.values()),
            video_seconds=sum(row.video_seconds for row in self._kinds.values()),
            kinds=self._kinds,
            bad=tuple(self._bad),
            num_other_files=num_other_files,
        )

    def _count(self, entry: MediaEntry) -> None:
        self._kinds[entry.kind] = self._kinds.get(entry.kind, KindTotals()).plus(entry)
        self._progress.update()


def _is_same(file: Path, entry: MediaEntry) -> bool:
    if file.stat().st_size != entry.num_bytes:
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == entry.sha256
