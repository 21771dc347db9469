"""`clipbug benchmark train`."""

from typing import Annotated, Literal

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view


def train(
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME...",
            help="Only variants whose name contains one of these; original (ClipBERT) always runs.",
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", min=1, metavar="N", help="Timed steps; the fastest is reported.")
    ] = 3,
    batch: Annotated[int, typer.Option("--batch", min=1, metavar="N", help="Recordings per step.")] = 2,
    scale: Annotated[
        Literal["base", "tiny"],
        typer.Option("--scale", help="base: ClipBERT's sizes, needs 6 GB of memory; tiny: takes seconds."),
    ] = "base",
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Compare gradients with ClipBERT's.")
    ] = True,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Time training steps against a reimplementation of ClipBERT's: each optimization alone, then all."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.benchmarks.train_benchmark import measure_training

    result = measure_training(
        only=only or (), steps=steps, batch_size=batch, scale=scale, check=check
    ).to_json()
    return Outcome(result, report_view("benchmark train", result))
