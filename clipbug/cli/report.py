"""`clipbug report`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view


def report(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="Run directory, or folder with a predictions.jsonl. Default: the newest run in the storage.",
            autocompletion=options.complete_run,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE.html", help="Default: report.html next to the predictions."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FILE", help="Annotation file. Default: the one that was inferred on."
        ),
    ] = None,
    media: options.Media = None,
    evidence: Annotated[
        int,
        typer.Option("--evidence", min=0, metavar="N", help="Show evidence for the N worst answers."),
    ] = 8,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Write an HTML report: scores, training curves, confusion matrix, and every question with its frames.

    The file is self-contained and works offline. A run without predictions is inferred first.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.report import make_report

    result = make_report(
        storage=storage, source=source, output=output, data=data, media=media or (), num_evidence=evidence
    ).to_json()
    return Outcome(result, report_view("report", result))
