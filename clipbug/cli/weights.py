"""`clipbug weights import|export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.views.generic import report_view

FormatChoice = Literal["clipbert", "huggingface", "onnx"]
_LONG_LISTS = ("loaded", "unused")


def import_weights(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|DIR...",
            help="Weight files, BERT folders, or one ClipBERT run directory.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Model folder to create.")],
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="MODEL_TASK",
            help="Task of the model. Default: the task of the run directory.",
            callback=options.check_model_task,
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="FILE", help="Answer vocabulary {answer: class} of the model."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", metavar="NAME|DIR", help="Default: the tokenizer next to the weights."),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            "--step", min=0, metavar="N", help="Checkpoint of a run directory. Default: the newest."
        ),
    ] = None,
    allow_missing: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-missing",
            metavar="PATTERN...",
            help="Tensors that may be initialized randomly. Repeatable.",
        ),
    ] = None,
    settings: options.Settings = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Create a model folder from ClipBERT, detectron2, BERT or torchvision weights.

    A BERT and a ResNet can be combined. Loading never executes code from a file.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.weights_import import import_weights as run_import

    result = run_import(
        sources,
        output=output,
        task=task,
        answers=answers,
        tokenizer=tokenizer,
        step=step,
        overrides=settings or (),
        allow_missing=allow_missing or (),
    ).to_json()
    shown = {key: value for key, value in result.items() if key not in _LONG_LISTS and value != ()}
    return Outcome(result, report_view("import", shown))


def export_weights(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run directory or model folder.")],
    format: Annotated[
        FormatChoice,
        typer.Option(
            "--format",
            metavar="clipbert|huggingface|onnx",
            help="clipbert: a file that ClipBERT loads; huggingface: a folder with a model card.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="PATH", help="File or folder to create.")],
    step: Annotated[
        str,
        typer.Option(
            "--step", metavar="N|best|last", help="Checkpoint to export.", callback=options.check_step
        ),
    ] = "best",
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Export a model for other programs; an ONNX file is verified against the model."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.weights_export import export_weights as run_export

    result = run_export(run, format=format, output=output, step=step).to_json()
    return Outcome(result, report_view("export", result))
