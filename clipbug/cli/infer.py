"""`clipbug infer`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.startup import heavy_imports
from clipbug.cli.views.generic import report_view
from clipbug.config.inference import InferencePrecision, InferenceSettings


def infer(
    run: options.Run = None,
    step: Annotated[
        str,
        typer.Option("--step", metavar="N|best|last", help="Checkpoint to use.", callback=options.check_step),
    ] = "best",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE",
            help="Questions, captions or duplicates. Default: the run's test or validation file.",
        ),
    ] = None,
    media: options.Media = None,
    data_format: options.Format = None,
    aliases: options.Aliases = None,
    allow_missing: options.AllowMissing = False,
    num_clips: Annotated[
        int | None,
        typer.Option("--n-clips", min=1, metavar="N", help="Clips per recording. Default: the run's."),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", min=1, metavar="N", help="Recordings per batch. Default: the run's."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="Folder of predictions.jsonl. Default: in the run folder."
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores",
            metavar="FILE.npz",
            help="Also write the scores of every answer, or of every text with every recording.",
        ),
    ] = None,
    precision: Annotated[
        InferencePrecision | None,
        typer.Option(
            "--precision",
            metavar="auto|fp32|bf16|fp16",
            help="Number format. auto: bf16 where the device supports it. Default: the run's.",
        ),
    ] = None,
    overrides: options.RunSettings = None,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Answer the questions of a file with a trained run; the file needs no answers.

    A retrieval run ranks recordings for captions, and answers multiple-choice questions. Any run ranks the
    recordings of a duplicates file, {app: {bug: [recording, ...]}}, by similarity.
    """
    start_logging(quiet=quiet, verbose=verbose)
    with heavy_imports():
        from clipbug.recipes.infer import infer as run_inference

    settings = InferenceSettings(
        run=run,
        step=step,
        data=data,
        media=tuple(media or ()),
        data_format=data_format,
        aliases=aliases,
        allow_missing=allow_missing,
        num_clips=num_clips,
        batch_size=batch_size,
        precision=precision,
        overrides=tuple(overrides or ()),
    )
    report = run_inference(settings, storage=storage, output=output, scores=scores).to_json()
    return Outcome(report, report_view("inference", report), exit_code=3 if report.get("failures") else 0)
