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
            help="Score this predictions.jsonl (or scores.npz of a search) instead of a run's.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE",
            help="Annotations with answers, or duplicates. Default: the file inferred on.",
        ),
    ] = None,
    media: options.Media = None,
    data_format: options.Format = None,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Score predictions: overall, by answer type and app, beside baselines and the best score possible.

    Rankings are scored by ranks: mRR, mAP, R@k, of retrieval in both directions, of duplicates by setting.
    """
    start_logging(quiet=quiet, verbose=verbose)
    if run is not None and predictions is not None:
        raise typer.BadParameter("give --run or --predictions, not both.")
    from rich.console import Group

    from clipbug.cli.views.evaluation import evaluation_table
    from clipbug.recipes.evaluate import evaluate as run_evaluation

    report = run_evaluation(
        storage=storage,
        run=run,
        predictions=predictions,
        data=data,
        media=media or (),
        data_format=data_format,
    )
    files = {"predictions": report.predictions, "data": list(report.data)}
    return Outcome(report.to_json(), Group(evaluation_table(report.scores), report_view("files", files)))
