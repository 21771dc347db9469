"""`clipbug data ls`, `get`, `rm` and `verify`: what a store holds."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view

_Store = Annotated[Path, typer.Argument(metavar="STORE", help="Made by `clipbug ingest`, or an LMDB file.")]
_Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="File names without extension.")]


def list_store(
    store: _Store,
    match: Annotated[
        str | None, typer.Option("--match", metavar="PATTERN", help="Only ids such as: 'login_*'.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most so many.")] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """List the recordings and screenshots of a store."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_store import list_items

    report = list_items(store, match=match, limit=limit).to_json()
    return Outcome(report, report_view("store", report))


def get(
    store: _Store,
    media_ids: _Ids,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder to write the files into.")
    ] = Path(),
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Write original files of a store into a folder."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_store import get_items

    report = get_items(store, media_ids, output=output).to_json()
    return Outcome(report, report_view("get", report))


def remove(
    store: _Store,
    media_ids: _Ids,
    wait: options.Wait = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Take items out of a store for good. Its file is written anew, which needs disk space for the rest."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_store import remove_items

    wait_seconds = options.DEFAULT_WAIT_SECONDS if wait is None else wait
    report = remove_items(store, media_ids, wait_seconds=wait_seconds).to_json()
    return Outcome(report, report_view("rm", report))


def verify(
    stores: Annotated[
        list[Path], typer.Argument(metavar="STORE...", help="Folders made by `clipbug ingest`.")
    ],
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Hash everything in stores again; ends with exit code 3 if something is not what was ingested."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_store import verify_stores

    report = verify_stores(stores)
    payload = report.to_json()
    return Outcome(payload, report_view("verify", payload), exit_code=3 if report.bad else 0)
