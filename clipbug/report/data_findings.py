"""What `clipbug data check` says about the files of a run, for its report."""

from collections.abc import Sequence
from pathlib import Path

from clipbug.errors import ClipbugError
from clipbug.recipes.data_check import check_data
from clipbug.report.contents import DataFinding
from clipbug.workspace.run_folder import RunFolder

_NUM_ITEMS = 4
_HINT = "all cases: clipbug data check"


def data_findings(run: RunFolder | None, files: Sequence[Path], media: Sequence[str]) -> list[DataFinding]:
    """Findings about the answered files, and about them against the run's training files.

    Args:
        run: that answered, if it is known.
        files: that were answered.
        media: stores; none: media is not checked.
    """
    train, val = ((), ()) if run is None else _training_files(run, files)
    try:
        report = check_data((), train=train, val=val, test=list(files), media=[Path(path) for path in media])
    except ClipbugError as error:
        return [DataFinding("warning", f"The data could not be checked: {error.message}", error.hint)]
    return [
        DataFinding(finding.severity, finding.message, _cases(finding.items)) for finding in report.findings
    ]


def _training_files(run: RunFolder, answered: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The run's own files that are still there, without those that were answered."""
    config = run.config()
    taken = {path.resolve() for path in answered}

    def there(names: Sequence[str]) -> list[Path]:
        return [path for path in map(Path, names) if path.exists() and path.resolve() not in taken]

    return there(config.data.train), there(config.data.val)


def _cases(items: Sequence[str]) -> str:
    more = f" ... and {len(items) - _NUM_ITEMS} more ({_HINT})" if len(items) > _NUM_ITEMS else ""
    return "; ".join(items[:_NUM_ITEMS]) + more
