"""`clipbug baseline`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging


def baseline(
    data: Annotated[
        list[Path], typer.Option("--data", metavar="FILE...", help="Annotation files with answers to score.")
    ],
    train: Annotated[
        list[Path] | None,
        typer.Option("--train", metavar="FILE...", help="Annotation files to learn guesses from."),
    ] = None,
    documents: Annotated[
        list[Path] | None,
        typer.Option(
            "--documents",
            metavar="FILE...",
            help="For captions: other texts about the same recordings. Default: the training captions.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", help="Default: what the fields of the rows look like."),
    ] = None,
    data_format: options.Format = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Score what needs no picture: the most frequent answer, the question alone, the words of captions."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.cli.views.baseline import baseline_table
    from clipbug.recipes.baseline import baseline as score_baselines

    report = score_baselines(
        data, train=train or (), documents=documents or (), task=task, data_format=data_format
    )
    return Outcome(report.to_json(), baseline_table(report.scores))
