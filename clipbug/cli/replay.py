"""`clipbug replay`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.tables import report_view


def replay(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="RUN/failures/step-...")],
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"] | None,
        typer.Option("--precision", help="Another one than the run's, to see whether it helps."),
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Take a training step again that was not finite: which recordings, which module, which parameters."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.replay import replay as take_again

    report = take_again(folder, precision=precision).to_json()
    return Outcome(report, report_view("replay", report))
