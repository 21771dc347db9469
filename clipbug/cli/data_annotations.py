"""`clipbug data check|vocab|convert`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging

_Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Annotation files.")]
_FOUND_BAD = 3


def check(
    files: _Files = None,
    train: Annotated[
        list[Path] | None, typer.Option("--train", metavar="FILE...", help="Files of the training part.")
    ] = None,
    val: Annotated[
        list[Path] | None, typer.Option("--val", metavar="FILE...", help="Files of the validation part.")
    ] = None,
    test: Annotated[
        list[Path] | None, typer.Option("--test", metavar="FILE...", help="Files of the test part.")
    ] = None,
    media: Annotated[
        list[Path] | None,
        typer.Option("--media", metavar="STORE...", help="Stores that should hold what the rows name."),
    ] = None,
    aliases: options.Aliases = None,
    answers: Annotated[
        Path | None, typer.Option("--answers", metavar="FILE", help="Answer vocabulary to check too.")
    ] = None,
    data_format: options.Format = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Look for what is wrong or odd: missing media, copies, leaks between parts, answers out of reach.

    Which part a file holds is seen from its name. Exit code 3 if there are errors.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_check import check_data
    from clipbug.report.check_table import check_table

    report = check_data(
        files or (),
        train=train or (),
        val=val or (),
        test=test or (),
        media=media or (),
        aliases=aliases,
        answers=answers,
        data_format=data_format,
    )
    payload = report.to_json()
    return Outcome(payload, check_table(payload), _FOUND_BAD if payload["errors"] else 0)
