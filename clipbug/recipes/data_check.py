"""`clipbug data check`: find problems in annotation files before training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.checks.dataset.answers import answer_statistics, check_answers, reachable_scores
from clipbug.checks.dataset.findings import CheckedFile, Finding
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
class CheckResult:
    """The findings, the statistics of the files and the reachable scores."""

    files: tuple[Mapping[str, Any], ...]
    scores: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]

    def count(self, severity: str) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
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
) -> CheckResult:
    """Check annotation files individually, against each other, and against stores.

    Args:
        files: files whose split (train, val, test) is inferred from their name.
        train: files of the training split.
        val: files of the validation split.
        test: files of the test split.
        media: stores; without any, media is not checked.
        aliases: JSON object {id in annotations: id in stores}.
        answers: answer vocabulary to check.
        data_format: family of all files; default: inferred from their fields.

    Returns:
        The findings, worst first.

    Raises:
        DataError: no file is given, or a file cannot be opened, has no rows or has an unknown format.
    """
    given: dict[Path, Split | None] = {path: split_of(path) for path in files}
    named: tuple[tuple[Split, Sequence[Path]], ...] = (("train", train), ("val", val), ("test", test))
    given.update((path, split) for split, paths in named for path in paths)
    if not given:
        raise DataError("no file to check", "give annotation files: clipbug data check FILE...")
    checked = [
        CheckedFile(scan_annotations(path, family=data_format or "auto"), split)
        for path, split in given.items()
    ]
    order = ("error", "warning", "info")
    found = sorted(
        _findings(checked, media, aliases, answers), key=lambda finding: order.index(finding.severity)
    )
    return CheckResult(
        files=tuple(map(answer_statistics, checked)),
        scores=tuple(reachable_scores(checked)),
        findings=tuple(found),
    )


def _findings(
    files: Sequence[CheckedFile], media: Sequence[Path], aliases: Path | None, answers: Path | None
) -> Iterator[Finding]:
    for file in files:
        yield from check_rows(file)
    if media:
        names = None if aliases is None else load_aliases(aliases)
        yield from check_media(files, open_stores(media), names)
    yield from check_splits(files)
    yield from check_answers(files, None if answers is None else AnswerVocabulary.load(answers))
