"""`clipbug ingest`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view
from clipbug.runtime.files import safe_name


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Folders (walked to the bottom) and files.")
    ],
    extensions: Annotated[
        list[str] | None,
        typer.Option(
            "--ext",
            metavar="EXT...",
            help="Which files of the folders, such as: --ext mp4 avi. Default: all known kinds.",
            callback=options.check_extensions,
        ),
    ] = None,
    file_type: Annotated[
        options.FileTypeChoice,
        typer.Option(
            "--file-type", metavar="auto|image|video", help="What the files must hold; auto: either."
        ),
    ] = "auto",
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Store under vis_db/ in the storage. Default: the folder's name."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="STORE", help="Store anywhere else.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            metavar="N",
            help="Processes that look at files. 0: this one, which a file can then crash. Default: up to 4.",
        ),
    ] = None,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Also keep small pictures of what changes in recordings, which are read fast.",
        ),
    ] = False,
    prepare_size: Annotated[
        int, typer.Option("--prepare-size", min=16, metavar="PIXELS", help="Their longer side.")
    ] = 448,
    prepare_fps: Annotated[
        float | None,
        typer.Option(
            "--prepare-fps",
            min=0.1,
            metavar="FPS",
            help="Looks for changes per second. Default: every picture.",
        ),
    ] = None,
    drop_original: Annotated[
        bool, typer.Option("--drop-original", help="Keep what --prepare makes instead of the recordings.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Copy only; files are looked at when they are first used.")
    ] = False,
    wait: options.Wait = None,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Put recordings and screenshots into a store and check every file; a second run adds what is new.

    Ends with exit code 3 if some files cannot be read, or not to their end; each is named with its reason.
    Of a recording that is cut off or damaged, what can be read is used; a file that cannot be read at all is
    not stored.
    """
    start_logging(quiet=quiet, verbose=verbose)
    _refuse_both(("--name", name is not None), ("--out", out is not None))
    _refuse_both(("--raw", raw), ("--prepare", prepare))
    from clipbug.data.ingest.load_files import PrepareSettings
    from clipbug.recipes.ingest import ingest as run_ingest
    from clipbug.workspace.storage import Storage

    store = out or Storage(storage).visual / (name or _store_name(paths))
    report = run_ingest(
        paths,
        extensions=extensions or (),
        file_type=file_type,
        store=store,
        num_workers=min(4, os.cpu_count() or 1) if workers is None else workers,
        prepare=PrepareSettings(prepare_size, checks_per_second=prepare_fps) if prepare else None,
        drop_original=drop_original,
        raw=raw,
        wait_seconds=options.DEFAULT_WAIT_SECONDS if wait is None else wait,
    )
    payload = report.to_json()
    is_complete = not report.bad and not report.not_prepared and not report.damaged
    return Outcome(payload, report_view("ingest", payload), exit_code=0 if is_complete else 3)


def _refuse_both(first: tuple[str, bool], second: tuple[str, bool]) -> None:
    """Options that exclude each other, with whether they are given."""
    if first[1] and second[1]:
        raise typer.BadParameter(f"give {first[0]} or {second[0]}, not both.")


def _store_name(paths: Sequence[Path]) -> str:
    """The name of the folder that is ingested; "media" for files of several folders."""
    folders = {path.resolve() if path.is_dir() else path.resolve().parent for path in paths}
    return safe_name(folders.pop().name) if len(folders) == 1 else "media"
