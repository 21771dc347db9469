"""`clipbug data split`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view


def split(
    annotations: Annotated[Path, typer.Argument(metavar="FILE", help="Annotation file for any task.")],
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder for train.jsonl and test.jsonl.")
    ],
    groups: Annotated[
        Path | None,
        typer.Option(
            "--groups", metavar="FILE", help="JSON file whose innermost lists are media ids to keep together."
        ),
    ] = None,
    group_by: Annotated[
        list[str] | None,
        typer.Option(
            "--group-by", metavar="FIELD...", help="Keep rows with equal values in these fields together."
        ),
    ] = None,
    share: Annotated[
        float, typer.Option("--share", min=0.01, max=0.99, help="Fraction of the groups to hold out.")
    ] = 0.25,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Random seed of the choice.")] = 0,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Split an annotation file into train and test so that no recording or group is in both."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_split import split_annotations

    result = split_annotations(
        annotations, output=output, groups=groups, group_by=group_by or (), share=share, seed=seed
    ).to_json()
    return Outcome(result, report_view("split", result))
