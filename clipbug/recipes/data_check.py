"""`clipbug data check`: what is wrong or odd about annotation files, before a training finds out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.checks.dataset.answers import answer_statistics, check_answers, reachable_scores
from clipbug.checks.dataset.findings import Finding, Part
from clipbug.checks.dataset.media import check_media
from clipbug.checks.dataset.records import check_rows
from clipbug.checks.dataset.splits import check_splits
from clipbug.config.data import DataFormat
from clipbug.data.annotations import load_aliases, scan_annotations
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.store.store import open_stores
from clipbug.errors import DataError
from clipbug.workspace.storage import Split, split_of


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All findings, with the statistics of the files and the scores that can be reached."""

    files: tuple[Mapping[str, Any], ...]
    scores: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]

    def count(self, severity: str) -> int:
        """Findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return {
            "files": list(self.files),
            "scores": list(self.scores),
            "findings": [finding.to_json() for finding in self.findings],
            "errors": self.count("error"),
            "warnings": self.count("warning"),
        }


def check_data(
    files: Sequence[Path],
    *,
    train: Sequence[Path] = (),
    val: Sequence[Path] = (),
    test: Sequence[Path] = (),
    media: Sequence[Path] = (),
    aliases: Path | None = None,
    answers: Path | None = None,
    data_format: DataFormat | None = None,
) -> CheckReport:
    """Check annotation files alone, against each other, and against stores.

    Args:
        files: files whose part (train, val, test) their name says.
        train, val, test: files whose part is given, whatever their name.
        media: stores; without any, media is not checked.
        aliases: JSON object {id in annotations: id in the stores}.
        answers: answer vocabulary that a training is to use.
        data_format: family of all files; default: by their fields.

    Raises:
        DataError: no file is given; a file cannot be opened, has no rows or is of no known family.
    """
    given: dict[Path, Split | None] = {path: split_of(path) for path in files}
    named: tuple[tuple[Split, Sequence[Path]], ...] = (("train", train), ("val", val), ("test", test))
    given.update((path, split) for split, paths in named for path in paths)
    if not given:
        raise DataError("there is no file to check", "name annotation files: clipbug data check FILE...")
    parts = [
        Part(scan_annotations(path, family=data_format or "auto"), split) for path, split in given.items()
    ]
    order = ("error", "warning", "info")
    found = sorted(
        _findings(parts, media, aliases, answers), key=lambda finding: order.index(finding.severity)
    )
    return CheckReport(
        files=tuple(map(answer_statistics, parts)),
        scores=tuple(reachable_scores(parts)),
        findings=tuple(found),
    )


def _findings(
    parts: Sequence[Part], media: Sequence[Path], aliases: Path | None, answers: Path | None
) -> Iterator[Finding]:
    for part in parts:
        yield from check_rows(part)
    if media:
        names = None if aliases is None else load_aliases(aliases)
        yield from check_media(parts, open_stores(media), names)
    yield from check_splits(parts)
    yield from check_answers(parts, None if answers is None else AnswerVocabulary.load(answers))
