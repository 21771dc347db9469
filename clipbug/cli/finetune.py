"""`clipbug finetune`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.training import config_outcome, run_training, texts


def finetune(
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="FINETUNE_TASK",
            help="Task to train for. Default: the task of --config.",
            callback=options.check_task,
            autocompletion=options.complete_task,
        ),
    ] = None,
    config: options.Config = None,
    settings: options.Settings = None,
    train: options.Train = None,
    val: options.Val = None,
    media: options.Media = None,
    data_format: options.Format = None,
    aliases: options.Aliases = None,
    allow_missing: options.AllowMissing = False,
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers", metavar="FILE", help="Answer vocabulary. Default: built from the training files."
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            "--init",
            metavar="MODEL",
            help="Run directory or model folder to initialize the weights from.",
            autocompletion=options.complete_run,
        ),
    ] = None,
    output: options.Output = None,
    max_steps: options.MaxSteps = None,
    seed: options.Seed = None,
    resume: options.Resume = "auto",
    accept_changes: options.AcceptChanges = False,
    stop_after: options.StopAfter = None,
    batch: options.Batch = None,
    max_skipped_steps: options.MaxSkippedSteps = None,
    dry_run: options.DryRun = False,
    print_config: options.PrintConfig = False,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Train a model for questions about screenshots (vqa) or recordings (the other tasks).

    Files that are not given are searched for in the storage. Resumes the latest unfinished run that has the
    same config.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.config.loading import load_config

    flags = {
        "data.train": texts(train),
        "data.val": texts(val),
        "data.media": texts(media),
        "data.format": data_format,
        "data.aliases": None if aliases is None else str(aliases),
        "data.allow_missing": allow_missing or None,
        "data.answers": None if answers is None else str(answers),
        "train.max_steps": max_steps,
        "train.batch_size": batch,
        "train.max_skipped_steps": max_skipped_steps,
        "seed": seed,
    }
    resolved = load_config(config, overrides=settings or (), flags=flags, task=task)
    if print_config:
        return config_outcome(resolved)
    return run_training(
        resolved,
        dry_run=dry_run,
        storage=storage,
        output=output,
        resume=resume,
        init=init,
        accept_changes=accept_changes,
        stop_after=stop_after,
    )
