"""`clipbug baseline`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging


def baseline(
    data: Annotated[
        list[Path],
        typer.Option("--data", metavar="FILE...", help="Annotation files with answers, to score against."),
    ],
    train: Annotated[
        list[Path] | None,
        typer.Option("--train", metavar="FILE...", help="Annotation files to fit the baselines on."),
    ] = None,
    documents: Annotated[
        list[Path] | None,
        typer.Option(
            "--documents",
            metavar="FILE...",
            help="For captions: texts to search instead of the recordings. Default: the training captions.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", help="Default: inferred from the fields of the rows."),
    ] = None,
    data_format: options.Format = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Score baselines that see no frames: majority answer, question only, and BM25 over captions."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.cli.views.baseline import baseline_table
    from clipbug.recipes.baseline import baseline as score_baselines

    result = score_baselines(
        data, train=train or (), documents=documents or (), task=task, data_format=data_format
    )
    return Outcome(result.to_json(), baseline_table(result.scores))
