"""`clipbug benchmark infer`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging

WAYS = ("strict", "default", "prepared")


def check_ways(ways: list[str] | None) -> list[str]:
    """Return the requested variants, or the default ones.

    Raises:
        typer.BadParameter: if one is unknown.
    """
    for way in ways or ():
        if way not in WAYS:
            raise typer.BadParameter(f"{way!r} is not a valid way; choose from {', '.join(WAYS)}.")
    return ways or ["strict", "default"]


def infer(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...", help="mp4 or mov recordings. Default: synthetic ones of each kind."
        ),
    ] = None,
    ways: Annotated[
        list[str] | None,
        typer.Option(
            "--way",
            metavar="WAY...",
            callback=check_ways,
            help="strict, default, prepared (as by `ingest --prepare`). Default: strict default.",
        ),
    ] = None,
    num_clips: Annotated[
        int, typer.Option("--n-clips", min=1, metavar="N", help="Number of 2-frame clips.")
    ] = 16,
    num_recordings: Annotated[
        int, typer.Option("--recordings", min=1, metavar="N", help="Synthetic recordings of each kind.")
    ] = 2,
    with_original: Annotated[
        bool,
        typer.Option("--original/--no-original", help="Also measure ClipBERT's inference (takes a minute)."),
    ] = True,
    memory_recordings: Annotated[
        int,
        typer.Option(
            "--memory", min=0, metavar="N", help="Track memory over N recordings with a small model."
        ),
    ] = 0,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Compare inference speed with ClipBERT's and with the hardware limit, and check that answers agree."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.benchmarks.inference_benchmark import measure_inference
    from clipbug.cli.views.benchmark import inference_lines, inference_table

    result = measure_inference(
        recordings or (),
        ways=ways or (),
        num_clips=num_clips,
        num_recordings=num_recordings,
        with_original=with_original,
        memory_recordings=memory_recordings,
    ).to_json()
    return Outcome(result, inference_table(result) if sys.stdout.isatty() else inference_lines(result))
