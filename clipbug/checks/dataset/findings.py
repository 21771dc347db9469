"""What a check has to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clipbug.data.annotations import AnnotationFile
from clipbug.data.records import Record
from clipbug.workspace.storage import Split

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    Attributes:
        severity: error: scores would be wrong or a run would stop; warning: look at it; info: good to know.
        check: short name of what was looked for.
        message: one sentence, with the file or files.
        items: every case, named.
    """

    severity: Severity
    check: str
    message: str
    items: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As --json prints it."""
        return {
            "severity": self.severity,
            "check": self.check,
            "message": self.message,
            "count": len(self.items),
            "items": list(self.items),
        }


@dataclass(frozen=True, slots=True)
class Part:
    """One file with the part of the data set that it holds.

    Attributes:
        split: None where neither its name nor an option says it.
    """

    file: AnnotationFile
    split: Split | None

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.file.path)

    @property
    def records(self) -> Sequence[Record]:
        """Its usable rows."""
        return self.file.records


def by_family(parts: Sequence[Part]) -> list[list[Part]]:
    """The parts of each family: questions and captions are compared among themselves only."""
    families = dict.fromkeys(part.file.family for part in parts)
    return [[part for part in parts if part.file.family == family] for family in families]


def place(record: Record) -> str:
    """ "file.jsonl:7", short enough for lists."""
    return record.source.replace("\\", "/").rpartition("/")[2]
