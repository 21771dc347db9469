"""`clipbug benchmark infer`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging

WAYS = ("strict", "default", "prepared")


def check_ways(ways: list[str] | None) -> list[str]:
    """The ways asked for; refuse others."""
    for way in ways or ():
        if way not in WAYS:
            raise typer.BadParameter(f"{way!r} is no way. Ways: {', '.join(WAYS)}.")
    return ways or ["strict", "default"]


def infer(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="mp4 or mov recordings. Default: drawn, of each kind."),
    ] = None,
    ways: Annotated[
        list[str] | None,
        typer.Option(
            "--way",
            metavar="WAY...",
            callback=check_ways,
            help="strict, default, prepared (stores of ingest --prepare). Default: strict default.",
        ),
    ] = None,
    num_clips: Annotated[int, typer.Option("--n-clips", min=1, metavar="N", help="Clips of 2 frames.")] = 16,
    num_recordings: Annotated[
        int, typer.Option("--recordings", min=1, metavar="N", help="Drawn recordings of each kind.")
    ] = 2,
    with_original: Annotated[
        bool, typer.Option("--original/--no-original", help="Measure the original's way, too (a minute).")
    ] = True,
    memory_recordings: Annotated[
        int,
        typer.Option("--memory", min=0, metavar="N", help="Watch the memory over N recordings, small model."),
    ] = 0,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Answers per second beside the original's way, how equal they are, and how far from the floor."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.benchmarks.inference_benchmark import measure_inference
    from clipbug.cli.views.benchmark import inference_lines, inference_table

    report = measure_inference(
        recordings or (),
        ways=ways or (),
        num_clips=num_clips,
        num_recordings=num_recordings,
        with_original=with_original,
        memory_recordings=memory_recordings,
    ).to_json()
    return Outcome(report, inference_table(report) if sys.stdout.isatty() else inference_lines(report))
