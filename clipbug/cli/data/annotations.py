"""`clipbug data check|vocab|convert`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view

_Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Annotation files.")]
_FOUND_BAD = 3
_AnswerForm = Literal["full", "short", "first-token"]
_Form = Annotated[
    _AnswerForm,
    typer.Option("--answers", metavar="full|short|first-token", help="Form in which answers are classes."),
]


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
    from clipbug.cli.views.data_check import check_table
    from clipbug.recipes.data_check import check_data

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


def vocab(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Training files of questions.")],
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="JSON file {answer: class} to write.")
    ],
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, metavar="N", help="Leave out answers of fewer rows.")
    ] = 1,
    form: _Form = "full",
    data_format: options.Format = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Make the answer vocabulary of training files; files of held-out rows are refused."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_vocab import make_vocabulary

    report = make_vocabulary(
        files, output=output, min_count=min_count, form=form, data_format=data_format
    ).to_json()
    return Outcome(report, report_view("vocabulary", report))


def convert(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="Tables or annotation files; issues with --videos."),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="JSON-lines file to write.")],
    videos: Annotated[
        list[Path] | None,
        typer.Option(
            "--videos",
            metavar="PATH...",
            help="SOURCE is JSON of GitHub issues: join it with these recordings (folders, stores, lists).",
        ),
    ] = None,
    form: _Form = "full",
    data_format: options.Format = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Write annotations of any kind as JSON lines. Every row or recording is in the output or is named.

    Exit code 3 if some could not be converted.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_convert import convert_annotations
    from clipbug.recipes.data_convert_issues import convert_issues

    if videos:
        report = convert_issues(sources, videos=videos, output=output)
    else:
        report = convert_annotations(sources, output=output, form=form, data_format=data_format)
    payload = report.to_json()
    return Outcome(payload, report_view("conversion", payload), _FOUND_BAD if report.bad else 0)
