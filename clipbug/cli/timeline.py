"""`clipbug timeline`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.startup import heavy_imports
from clipbug.cli.timeline_view import view_of

FormatChoice = Literal["table", "json", "markdown", "html"]


def timeline(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Recordings, GIFs, images, or folders of them.")
    ],
    format: Annotated[
        FormatChoice, typer.Option("--format", metavar="table|json|markdown|html", help="How to show it.")
    ] = "table",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="PATH",
            help="Write to this file; for markdown a folder, with a picture of each step.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Processes. Default: one per core.")
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep timelines in the storage, and use kept ones.")
    ] = True,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Read recordings and screenshots: which screens, what was tapped, typed and scrolled, what went wrong.

    Works offline, without a model of yours. Text in Latin letters and Chinese is read; lines in other
    scripts are reported as unreadable. Ends with exit code 3 if some of several files cannot be read.
    """
    start_logging(quiet=quiet, verbose=verbose)
    with heavy_imports():
        from clipbug.recipes.timeline import make_timelines

    report = make_timelines(
        files, storage=storage, format=format, output=output, num_workers=workers, use_cache=cache
    )
    return Outcome(report.to_json(), view_of(report), exit_code=3 if report.bad else 0)
