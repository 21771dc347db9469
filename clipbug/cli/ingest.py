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
        list[Path], typer.Argument(metavar="PATH...", help="Files, and folders to search recursively.")
    ],
    extensions: Annotated[
        list[str] | None,
        typer.Option(
            "--ext",
            metavar="EXT...",
            help="File extensions to pick from folders, such as: --ext mp4 avi. Default: all supported.",
            callback=options.check_extensions,
        ),
    ] = None,
    file_type: Annotated[
        options.FileTypeChoice,
        typer.Option(
            "--file-type", metavar="auto|image|video", help="Required content of the files; auto: either."
        ),
    ] = "auto",
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Name of the store under vis_db/. Default: the folder's name."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="STORE", help="Path of a store outside the storage.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            metavar="N",
            help="Decoder processes; 0 decodes in the main process, which a corrupt file can crash."
            " Default: up to 4.",
        ),
    ] = None,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Also store downscaled JPEGs of the frames that change, for faster loading.",
        ),
    ] = False,
    prepare_size: Annotated[
        int, typer.Option("--prepare-size", min=16, metavar="PIXELS", help="Longer side of prepared frames.")
    ] = 448,
    prepare_fps: Annotated[
        float | None,
        typer.Option(
            "--prepare-fps",
            min=0.1,
            metavar="FPS",
            help="Frame rate of the change detection. Default: every frame.",
        ),
    ] = None,
    drop_original: Annotated[
        bool, typer.Option("--drop-original", help="Store only the prepared frames, not the recordings.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Copy without checking; files are read at first use.")
    ] = False,
    wait: options.Wait = None,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Check recordings and screenshots and copy them into a store; a second run adds only new files.

    Exits with code 3 if some files are unreadable or damaged; each is listed with the reason. The readable
    frames of a truncated or damaged recording are used; a file that cannot be read at all is not stored.
    """
    start_logging(quiet=quiet, verbose=verbose)
    _refuse_both(("--name", name is not None), ("--out", out is not None))
    _refuse_both(("--raw", raw), ("--prepare", prepare))
    from clipbug.data.ingest.load_files import PrepareSettings
    from clipbug.recipes.ingest import ingest as run_ingest
    from clipbug.workspace.storage import Storage

    store = out or Storage(storage).stores_dir / (name or _store_name(paths))
    result = run_ingest(
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
    payload = result.to_json()
    is_complete = not result.bad and not result.not_prepared and not result.damaged
    return Outcome(payload, report_view("ingest", payload), exit_code=0 if is_complete else 3)


def _refuse_both(first: tuple[str, bool], second: tuple[str, bool]) -> None:
    """Raise `typer.BadParameter` if two mutually exclusive options are both given."""
    if first[1] and second[1]:
        raise typer.BadParameter(f"{first[0]} and {second[0]} cannot be combined.")


def _store_name(paths: Sequence[Path]) -> str:
    """Return the name of the ingested folder, or "media" for files from several folders."""
    folders = {path.resolve() if path.is_dir() else path.resolve().parent for path in paths}
    return safe_name(folders.pop().name) if len(folders) == 1 else "media"
