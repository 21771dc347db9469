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
            "--keep", metavar="DIR", help="Storage folder to write to and keep. Default: a temporary folder."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Train for a few steps only, as a smoke test.")
    ] = False,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, metavar="N", help="Random seed of the recordings and the training."),
    ] = 0,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Ingest synthetic recordings of app bugs, then finetune, infer and evaluate, in about 3 minutes."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.cli.views.demo import demo_view
    from clipbug.recipes.demo import run_demo

    result = run_demo(keep=keep, quick=quick, seed=seed).to_json()
    return Outcome(result, demo_view(result))
