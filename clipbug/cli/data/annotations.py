"""`clipbug data check|vocab|convert`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view

_Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Annotation files.")]
_BAD_ITEMS = 3
_AnswerForm = Literal["full", "short", "first-token"]
_Form = Annotated[
    _AnswerForm,
    typer.Option(
        "--answers", metavar="full|short|first-token", help="Form of the answers that become classes."
    ),
]


def check(
    files: _Files = None,
    train: Annotated[
        list[Path] | None, typer.Option("--train", metavar="FILE...", help="Files of the training split.")
    ] = None,
    val: Annotated[
        list[Path] | None, typer.Option("--val", metavar="FILE...", help="Files of the validation split.")
    ] = None,
    test: Annotated[
        list[Path] | None, typer.Option("--test", metavar="FILE...", help="Files of the test split.")
    ] = None,
    media: Annotated[
        list[Path] | None,
        typer.Option("--media", metavar="STORE...", help="Stores that should contain the media of the rows."),
    ] = None,
    aliases: options.Aliases = None,
    answers: Annotated[
        Path | None, typer.Option("--answers", metavar="FILE", help="Answer vocabulary to check.")
    ] = None,
    data_format: options.Format = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Check annotation files for missing media, duplicates, leaks between splits and unreachable answers.

    The split of a file is inferred from its name. Exits with code 3 if there are errors.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.cli.views.data_check import check_table
    from clipbug.recipes.data_check import check_data

    result = check_data(
        files or (),
        train=train or (),
        val=val or (),
        test=test or (),
        media=media or (),
        aliases=aliases,
        answers=answers,
        data_format=data_format,
    )
    payload = result.to_json()
    return Outcome(payload, check_table(payload), _BAD_ITEMS if payload["errors"] else 0)


def vocab(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Training files with questions.")],
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="JSON file {answer: class} to write.")
    ],
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, metavar="N", help="Skip answers of fewer than N rows.")
    ] = 1,
    form: _Form = "full",
    data_format: options.Format = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Build an answer vocabulary from training files; validation and test files are refused."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_vocab import make_vocabulary

    result = make_vocabulary(
        files, output=output, min_count=min_count, form=form, data_format=data_format
    ).to_json()
    return Outcome(result, report_view("vocabulary", result))


def convert(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="Tables or annotation files; GitHub issues with --videos."),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="JSON-lines file to write.")],
    videos: Annotated[
        list[Path] | None,
        typer.Option(
            "--videos",
            metavar="PATH...",
            help="Join SOURCE, a JSON file of GitHub issues, with these recordings (folders, stores, lists).",
        ),
    ] = None,
    form: _Form = "full",
    data_format: options.Format = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Convert annotations to JSON lines. Rows and recordings that cannot be converted are listed.

    Exits with code 3 if there are any.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_convert import convert_annotations
    from clipbug.recipes.data_convert_issues import convert_issues

    if videos:
        result = convert_issues(sources, videos=videos, output=output)
    else:
        result = convert_annotations(sources, output=output, form=form, data_format=data_format)
    payload = result.to_json()
    return Outcome(payload, report_view("conversion", payload), _BAD_ITEMS if result.bad else 0)
