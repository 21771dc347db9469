"""`clipbug evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view


def evaluate(
    run: options.Run = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="FILE",
            help="Score this predictions.jsonl (or a scores.npz of rankings) instead of a run's.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE",
            help="Annotations with answers, or duplicates. Default: the file that was inferred on.",
        ),
    ] = None,
    media: options.Media = None,
    data_format: options.Format = None,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Score predictions overall, by answer type and by app, next to baselines and the ceiling.

    Rankings are scored by mRR, mAP and R@k: retrieval in both directions, duplicates in each setting.
    """
    start_logging(quiet=quiet, verbose=verbose)
    if run is not None and predictions is not None:
        raise typer.BadParameter("give --run or --predictions, not both.")
    from rich.console import Group

    from clipbug.cli.views.evaluation import evaluation_table
    from clipbug.recipes.evaluate import evaluate as run_evaluation

    result = run_evaluation(
        storage=storage,
        run=run,
        predictions=predictions,
        data=data,
        media=media or (),
        data_format=data_format,
    )
    files = {"predictions": result.predictions, "data": list(result.data)}
    return Outcome(result.to_json(), Group(evaluation_table(result.scores), report_view("files", files)))
