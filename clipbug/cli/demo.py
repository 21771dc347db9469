"""`clipbug demo`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging


def demo(
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep", metavar="DIR", help="Storage to write to and keep. Default: a temporary folder."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few steps only, to see that all parts work.")
    ] = False,
    seed: Annotated[
        int, typer.Option("--seed", min=0, metavar="N", help="Fixes recordings and training.")
    ] = 0,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Draw recordings of app bugs, then ingest, finetune, infer and evaluate on them, in about 3 minutes."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.cli.views.demo import demo_view
    from clipbug.recipes.demo import run_demo

    report = run_demo(keep=keep, quick=quick, seed=seed).to_json()
    return Outcome(report, demo_view(report))
