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
            help="Run folder or folder of a predictions.jsonl. Default: the newest run in the storage.",
            autocompletion=options.complete_run,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE.html", help="Default: report.html beside the predictions."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE", help="Questions that were answered. Default: as inferred on."),
    ] = None,
    media: options.Media = None,
    evidence: Annotated[
        int,
        typer.Option("--evidence", min=0, metavar="N", help="Show what the N worst answers rest on."),
    ] = 8,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Write one HTML file to look at: scores, curves, confusions, and every question with its frames.

    The file needs no network and no other file. A run without predictions is inferred first.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.report import make_report

    done = make_report(
        storage=storage, source=source, output=output, data=data, media=media or (), num_evidence=evidence
    ).to_json()
    return Outcome(done, report_view("report", done))
