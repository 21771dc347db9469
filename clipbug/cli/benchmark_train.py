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
            metavar="PART...",
            help="Variants with one of these in their name; the original always runs.",
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", min=1, metavar="N", help="Timed steps, of which the fastest counts.")
    ] = 3,
    batch: Annotated[int, typer.Option("--batch", min=1, metavar="N", help="Recordings per step.")] = 2,
    scale: Annotated[
        Literal["base", "tiny"],
        typer.Option("--scale", help="base: ClipBERT's sizes, 6 GB of memory; tiny: seconds."),
    ] = "base",
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Compare gradients with the original's.")
    ] = True,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Time training steps beside a re-statement of the original's: each switch alone, and all together."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.benchmarks.train_benchmark import measure_training

    report = measure_training(
        only=only or (), steps=steps, batch_size=batch, scale=scale, check=check
    ).to_json()
    return Outcome(report, report_view("benchmark train", report))
