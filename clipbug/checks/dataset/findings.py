"""Findings of a check of annotation files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clipbug.data.annotations import AnnotationFile
from clipbug.data.records import Record
from clipbug.workspace.storage import Split

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        severity: "error" if scores would be wrong or a run would stop, "warning" if it should be reviewed,
            "info" otherwise.
        check: short name of the check.
        message: one sentence that names the file or files.
        items: every case.
    """

    severity: Severity
    check: str
    message: str
    items: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return {
            "severity": self.severity,
            "check": self.check,
            "message": self.message,
            "count": len(self.items),
            "items": list(self.items),
        }


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """An annotation file with its split.

    Attributes:
        split: None if neither its name nor an option determines it.
    """

    annotations: AnnotationFile
    split: Split | None

    @property
    def name(self) -> str:
        """Return the path as text, for messages."""
        return str(self.annotations.path)

    @property
    def records(self) -> Sequence[Record]:
        """Return the usable rows."""
        return self.annotations.records


def by_family(files: Sequence[CheckedFile]) -> list[list[CheckedFile]]:
    """Group files by family, as only files of the same family are compared."""
    families = dict.fromkeys(file.annotations.family for file in files)
    return [[file for file in files if file.annotations.family == family] for family in families]


def source_line(record: Record) -> str:
    """Return the file name and line of a record, such as "file.jsonl:7"."""
    return record.source.replace("\\", "/").rpartition("/")[2]
