"""`clipbug ingest`: check media files and copy them into a store."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from clipbug.data.annotations.media_ids import other_forms
from clipbug.data.decoding.open import media_kind
from clipbug.data.ingest.find_files import FileType, find_media_files
from clipbug.data.ingest.load_files import BadFile, LoadedFile, load_files, load_raw
from clipbug.data.ingest.result import IngestReport, KindTotals
from clipbug.data.loading.frame_size import describe_narrow
from clipbug.data.media import MediaEntry, MediaKind
from clipbug.data.store.prepare import PrepareSettings
from clipbug.data.store.rewrite import rewrite_store
from clipbug.data.store.store import StoreWriter
from clipbug.data.store.write_lock import DEFAULT_WAIT_SECONDS
from clipbug.errors import DataError
from clipbug.runtime.progress import ProgressBar

_MAX_BATCH_ITEMS = 1000
_MAX_BATCH_BYTES = 64 << 20
_MAX_BATCH_SECONDS = 2.0


def ingest(
    paths: Sequence[Path],
    *,
    extensions: Sequence[str],
    file_type: FileType,
    store: Path,
    num_workers: int = 0,
    prepare: PrepareSettings | None = None,
    drop_original: bool = False,
    raw: bool = False,
    wait_seconds: float = DEFAULT_WAIT_SECONDS,
) -> IngestReport:
    """Store the original bytes and a manifest entry of every decodable file that is not in the store yet.

    The id of a file is its name without extension. If a run stops or fails, committed files remain, and the
    next run continues after them.

    Args:
        paths: files, and folders to search recursively.
        extensions: file extensions to pick from folders; empty for all supported ones.
        file_type: required content; other files are reported as bad.
        store: folder of the store, which is created if needed.
        num_workers: number of decoder processes; 0 decodes in this process.
        prepare: how to prepare recordings, including those already stored.
        drop_original: store the prepared form instead of the original if there is one.
        raw: copy the bytes without checking; such files get no manifest entry until a run without `raw`.
        wait_seconds: how long to wait while another process writes to the store.

    Returns:
        The counts and the bad files; bad files are not an error.

    Raises:
        DataError: there is nothing to ingest, two files have the same id, the store has the id with other
            bytes, or the store cannot be written.
    """
    if drop_original and prepare is None:
        raise DataError("--drop-original needs the prepared form of the recordings", "Add --prepare.")
    found = find_media_files(paths, extensions=extensions, file_type=file_type)
    with ProgressBar("ingest", len(found.files), unit="files") as progress:
        writer = StoreWriter(store, wait_seconds=wait_seconds)
        run = _Run(writer, progress, prepare, drop_original=drop_original, raw=raw)
        run.find_new(found.files)
        run.add_new(file_type, num_workers)
    return run.report(num_other_files=found.num_others)


@dataclass(slots=True)
class _Batch:
    """Items of the next commit."""

    new: list[tuple[MediaEntry, bytes]] = field(default_factory=list)
    forms: dict[str, bytes] = field(default_factory=dict)
    updated: list[tuple[MediaEntry, bytes | None]] = field(default_factory=list)
    raw: list[tuple[str, bytes]] = field(default_factory=list)
    num_bytes: int = 0

    def is_full(self) -> bool:
        """Return whether the batch is large enough to be written."""
        count = len(self.new) + len(self.updated) + len(self.raw)
        return count >= _MAX_BATCH_ITEMS or self.num_bytes >= _MAX_BATCH_BYTES


class _Run:
    """One ingest run, which counts files and commits new ones in batches."""

    def __init__(
        self,
        writer: StoreWriter,
        progress: ProgressBar,
        settings: PrepareSettings | None,
        *,
        drop_original: bool,
        raw: bool,
    ) -> None:
        self._to_drop: list[str] = []
        self._writer = writer
        self._progress = progress
        self._settings = settings
        self._drop_original = drop_original
        self._raw = raw
        self._new: list[Path] = []
        self._stored: set[str] = set()
        self._batch = _Batch()
        self._last_commit = time.monotonic()
        self._added = self._already_there = self._prepared = self._damaged = 0
        self._kinds: dict[MediaKind, KindTotals] = {}
        self._bad: list[BadFile] = []
        self._not_prepared: list[BadFile] = []
        self._narrow: list[BadFile] = []
        self._notes: list[tuple[Path, str]] = []

    def find_new(self, files: Sequence[Path]) -> None:
        """Find the files that need to be ingested or prepared.

        Raises:
            DataError: the store has another file under the same id.
        """
        with self._writer:
            self._new = [file for file in files if not self._skip_stored(file)]

    def add_new(self, file_type: FileType, num_workers: int) -> None:
        """Add the new files to the store."""
        loaded: Iterator[LoadedFile | BadFile] = map(load_raw, self._new)
        if not self._raw:
            loaded = load_files(self._new, file_type, settings=self._settings, num_workers=num_workers)
        with self._writer:
            try:
                for result in loaded:
                    self._add(result)
            finally:
                self._commit()
        if self._to_drop:
            rewrite_store(
                self._writer.path,
                without_originals=frozenset(self._to_drop),
                wait_seconds=self._writer.wait_seconds,
            )

    def _skip_stored(self, file: Path) -> bool:
        """Return whether the store has the file in all requested forms.

        Raises:
            DataError: the store has another file under the same id.
        """
        self._refuse_other_form(file)
        entry = self._writer.entry(file.stem)
        stored = self._writer.read(file.stem) if entry is None else None
        if (entry is None and stored is None) or not file.is_file():
            return False
        is_same = file.read_bytes() == stored if entry is None else _is_same(file, entry)
        if not is_same:
            self._refuse_other_file(file, entry, stored or b"")
        self._already_there += 1
        if entry is None and not self._raw:  # from a raw run or another program
            self._stored.add(file.stem)
            return False
        if entry is not None and entry.kind == "video" and self._settings and entry.has_original:
            if not self._settings.are_met_by(entry):
                self._stored.add(file.stem)
                return False
            if self._drop_original and not entry.is_damaged:
                self._to_drop.append(file.stem)
        self._count(entry, stored)
        return True

    def _refuse_other_form(self, file: Path) -> None:
        """Raise DataError if the store has the same name in another Unicode form, which looks identical."""
        other = next((form for form in other_forms(file.stem) if self._writer.read(form) is not None), None)
        if other is not None:
            raise DataError(
                f"{file} has the id {file.stem!a}, but {self._writer.path} contains {other!a}, the same"
                " name in another Unicode form; nothing was stored",
                "Rename the file, or ingest it into another store (--name).",
            )

    def _refuse_other_file(self, file: Path, entry: MediaEntry | None, stored: bytes) -> NoReturn:
        """Raise DataError, as the store has another file with the same id."""
        known = f"{entry.file_name}, {entry.num_bytes} bytes" if entry else f"{len(stored)} bytes"
        raise DataError(
            f"{file} has the id {file.stem!r}, but {self._writer.path} contains another file with this id"
            f" ({known}); nothing was stored",
            "Rename the file, or ingest it into another store (--name).",
        )

    def _add(self, result: LoadedFile | BadFile) -> None:
        """Add a file to the batch, or record it as bad."""
        if isinstance(result, BadFile):
            self._bad.append(result)
            self._progress.update(bad=str(len(self._bad)))
            return
        if result.not_prepared:
            self._not_prepared.append(BadFile(result.path, result.not_prepared))
        self._prepared += result.form is not None
        if result.entry is not None:
            self._notes += [(result.path, note) for note in result.entry.notes]
            self._damaged += result.entry.is_damaged
        self._put(result, result.path.stem)
        self._count(result.entry, result.data)
        if self._batch.is_full() or time.monotonic() - self._last_commit >= _MAX_BATCH_SECONDS:
            self._commit()

    def _put(self, result: LoadedFile, media_id: str) -> None:
        entry, is_dropped = result.entry, self._drop_original and result.form is not None
        if entry is None or entry.is_damaged:  # the original may still be repaired
            is_dropped = False
        self._batch.num_bytes += len(result.data) + len(result.form or b"")
        if entry is None:
            self._batch.raw.append((media_id, result.data))
        elif media_id in self._stored:
            self._batch.updated.append((entry, result.form))
            self._to_drop += [media_id] * is_dropped
            return
        else:
            self._batch.new.append((replace(entry, has_original=not is_dropped), result.data))
            self._batch.forms |= {media_id: result.form} if result.form else {}
        self._added += 1

    def _commit(self) -> None:
        """Write the batch to the store."""
        batch, self._batch = self._batch, _Batch()
        if batch.new:
            self._writer.put_many(batch.new, forms=batch.forms)
        if batch.updated:
            self._writer.put_beside(batch.updated)
        if batch.raw:
            self._writer.put_raw(batch.raw)
        self._last_commit = time.monotonic()

    def report(self, *, num_other_files: int) -> IngestReport:
        """Return the result of the run."""
        return IngestReport(
            store=self._writer.path,
            added=self._added,
            already_there=self._already_there,
            num_bytes=sum(row.num_bytes for row in self._kinds.values()),
            video_seconds=sum(row.video_seconds for row in self._kinds.values()),
            kinds=self._kinds,
            bad=tuple(self._bad),
            num_other_files=num_other_files,
            prepared=self._prepared,
            not_prepared=tuple(self._not_prepared),
            narrow=tuple(self._narrow),
            notes=tuple(self._notes),
            damaged=self._damaged,
        )

    def _count(self, entry: MediaEntry | None, data: bytes | None) -> None:
        """Count a file by its manifest entry, or by its bytes if it has none."""
        if entry and (reason := describe_narrow(entry.height, entry.width)):
            self._narrow.append(BadFile(Path(entry.file_name), reason))
        kind = entry.kind if entry else media_kind(data or b"")
        num_bytes, seconds = (entry.num_bytes, entry.duration_seconds) if entry else (len(data or b""), 0.0)
        self._kinds[kind] = self._kinds.get(kind, KindTotals()).plus(num_bytes, seconds)
        self._progress.update()


def _is_same(file: Path, entry: MediaEntry) -> bool:
    if file.stat().st_size != entry.num_bytes:
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == entry.sha256
