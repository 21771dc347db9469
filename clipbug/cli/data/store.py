"""`clipbug data ls`, `get`, `rm` and `verify`: manage the contents of a store."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view

_Store = Annotated[
    Path, typer.Argument(metavar="STORE", help="Store made by `clipbug ingest`, or an LMDB file.")
]
_Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Media ids: file names without extension.")]


def list_store(
    store: _Store,
    match: Annotated[
        str | None,
        typer.Option("--match", metavar="PATTERN", help="Only ids that match, such as: 'login_*'."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="List at most N.")] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """List the recordings and screenshots of a store."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_store import list_items

    result = list_items(store, match=match, limit=limit).to_json()
    return Outcome(result, report_view("store", result))


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
    """Extract the original files of a store into a folder."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_store import get_items

    result = get_items(store, media_ids, output=output).to_json()
    return Outcome(result, report_view("get", result))


def remove(
    store: _Store,
    media_ids: _Ids,
    wait: options.Wait = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Delete items from a store. Its file is rewritten, which needs disk space for the remaining items."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_store import remove_items

    wait_seconds = options.DEFAULT_WAIT_SECONDS if wait is None else wait
    result = remove_items(store, media_ids, wait_seconds=wait_seconds).to_json()
    return Outcome(result, report_view("rm", result))


def verify(
    stores: Annotated[
        list[Path], typer.Argument(metavar="STORE...", help="Folders made by `clipbug ingest`.")
    ],
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Recompute all hashes of stores; exits with code 3 if an item differs from what was ingested."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.data_store import verify_stores

    result = verify_stores(stores)
    payload = result.to_json()
    return Outcome(payload, report_view("verify", payload), exit_code=3 if result.bad else 0)
