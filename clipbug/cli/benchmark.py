"""`clipbug benchmark data` and `ask`; `train` and `infer` have their own modules."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view


def data(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...", help="mp4 or mov recordings. Default: two synthetic ones, 20 s at 720x1280."
        ),
    ] = None,
    clips: Annotated[
        list[int] | None,
        typer.Option("--n-clips", min=1, metavar="N...", help="Number of 2-frame clips. Default: 1 8 16."),
    ] = None,
    size: Annotated[
        int, typer.Option("--size", min=16, metavar="PIXELS", help="Longer side of the frames.")
    ] = 448,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, metavar="N", help="Runs; the median is reported.")
    ] = 3,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Time clip loading: from the stored recordings, from prepared frames, and as ClipBERT does it."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.benchmarks.data_benchmark import measure_data

    result = measure_data(
        recordings or [], clips=clips or (1, 8, 16), longer_side=size, repeats=repeats
    ).to_json()
    return Outcome(result, report_view("benchmark data", result))


def ask(
    config: Annotated[
        str, typer.Option("--config", metavar="C", help="Preset or config file of a vqa or video-qa model.")
    ] = "gui_video_qa",
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, metavar="N", help="Calls; the median is reported.")
    ] = 5,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Time `clipbug ask` on a synthetic 20 s recording: end to end, and without the imports."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.benchmarks.ask_benchmark import measure_ask

    result = measure_ask(config, repeats=repeats).to_json()
    return Outcome(result, report_view("benchmark ask", result))
