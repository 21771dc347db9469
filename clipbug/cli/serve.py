"""`clipbug serve`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.ask import Model, NumClips
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.startup import heavy_imports


def serve(
    model: Model = None,
    num_clips: NumClips = None,
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="Address; 0.0.0.0 accepts other machines."),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, metavar="N", help="Default: the first free port from 7860."),
    ] = None,
    max_megabytes: Annotated[
        int, typer.Option("--max-megabytes", min=1, metavar="N", help="Largest upload that is accepted.")
    ] = 200,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            help="Folder to keep uploads in. Default: none are kept.",
        ),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Also open the page in the browser.")] = False,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Serve a web page on this machine: drop a recording, see its frames, ask, see the evidence.

    Needs gradio: pip install "clipbug[serve]". Nothing is sent to other machines.
    """
    start_logging(quiet=quiet, verbose=verbose)
    with heavy_imports():
        from clipbug.recipes.serve import serve as run_serve

    done = run_serve(
        storage=storage,
        model=model,
        host=host,
        port=port,
        num_clips=num_clips,
        max_megabytes=max_megabytes,
        keep=keep,
        open_browser=open_browser,
    ).to_json()
    return Outcome(done, f"{done['address']} is closed")
