"""What `clipbug ingest` says when it is done."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.ingest.load_files import BadFile
from clipbug.data.media import MediaKind


@dataclass(frozen=True, slots=True)
class KindTotals:
    """What one kind of media amounts to, new and already stored together."""

    files: int = 0
    num_bytes: int = 0
    video_seconds: float = 0.0

    def plus(self, num_bytes: int, video_seconds: float) -> "KindTotals":
        """With one more file."""
        return KindTotals(self.files + 1, self.num_bytes + num_bytes, self.video_seconds + video_seconds)

    def __add__(self, other: "KindTotals") -> "KindTotals":
        return KindTotals(
            self.files + other.files,
            self.num_bytes + other.num_bytes,
            self.video_seconds + other.video_seconds,
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
        prepared: recordings of which a prepared form was made now.
        not_prepared: recordings of which none could be made; their originals are stored.
        narrow: files that are stored, but so long or so wide that scaling leaves nothing to read.
        notes: stored files with what people should know of them, such as which part cannot be read.
        damaged: stored recordings of which a part cannot be read.
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
