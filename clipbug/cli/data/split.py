"""`clipbug data split`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view


def split(
    annotations: Annotated[Path, typer.Argument(metavar="FILE", help="Annotation file of any task.")],
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder for train.jsonl and test.jsonl.")
    ],
    groups: Annotated[
        Path | None,
        typer.Option(
            "--groups", metavar="FILE", help="JSON whose innermost lists name media that stay together."
        ),
    ] = None,
    group_by: Annotated[
        list[str] | None,
        typer.Option(
            "--group-by", metavar="FIELD...", help="Rows that are equal in these fields stay together."
        ),
    ] = None,
    share: Annotated[
        float, typer.Option("--share", min=0.01, max=0.99, help="Share of the groups that are held out.")
    ] = 0.25,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Decides which ones.")] = 0,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Divide an annotation file so that no recording, and no scenario, is on both sides."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_split import split_annotations

    report = split_annotations(
        annotations, output=output, groups=groups, group_by=group_by or (), share=share, seed=seed
    ).to_json()
    return Outcome(report, report_view("split", report))
