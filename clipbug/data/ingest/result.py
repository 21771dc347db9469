"""Result of `clipbug ingest`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.ingest.load_files import BadFile
from clipbug.data.media import MediaKind


@dataclass(frozen=True, slots=True)
class KindTotals:
    """Totals of one kind of media, new and already stored items together."""

    files: int = 0
    num_bytes: int = 0
    video_seconds: float = 0.0

    def plus(self, num_bytes: int, video_seconds: float) -> "KindTotals":
        """Return the totals with one more file."""
        return KindTotals(self.files + 1, self.num_bytes + num_bytes, self.video_seconds + video_seconds)

    def __add__(self, other: "KindTotals") -> "KindTotals":
        return KindTotals(
            self.files + other.files,
            self.num_bytes + other.num_bytes,
            self.video_seconds + other.video_seconds,
        )


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Result of an ingest.

    Attributes:
        store: Folder of the store.
        added: Number of files stored now.
        already_there: Number of files that the store already contained, byte for byte.
        num_bytes: Size of the files added and already stored.
        video_seconds: Duration of the recordings added and already stored.
        kinds: The same per kind.
        bad: Files that were not stored.
        num_other_files: Number of files skipped because of their extension.
        prepared: Number of recordings prepared now.
        not_prepared: Recordings that could not be prepared; their originals are stored.
        narrow: Stored files that are so long or so wide that scaling makes them illegible.
        notes: Stored files with what users should know about them, such as what cannot be decoded.
        damaged: Number of stored recordings that cannot be decoded completely.
    """

    store: Path
    added: int
    already_there: int
    num_bytes: int
    video_seconds: float
    kinds: dict[MediaKind, KindTotals]
    bad: tuple[BadFile, ...]
    num_other_files: int
    prepared: int = 0
    not_prepared: tuple[BadFile, ...] = ()
    narrow: tuple[BadFile, ...] = ()
    notes: tuple[tuple[Path, str], ...] = ()
    damaged: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
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
            "bad": [_bad_row(file) for file in self.bad],
            "num_other_files": self.num_other_files,
            "prepared": self.prepared,
            "not_prepared": [_bad_row(file) for file in self.not_prepared],
            "narrow": [_bad_row(file) for file in self.narrow],
            "damaged": self.damaged,
            "notes": [{"file": str(path), "note": note} for path, note in self.notes],
        }


def _bad_row(file: BadFile) -> dict[str, str]:
    return {"file": str(file.path), "reason": file.reason}
