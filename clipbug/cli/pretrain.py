"""`clipbug pretrain`."""

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.training import config_outcome, run_training, texts


def pretrain(
    config: options.Config = None,
    settings: options.Settings = None,
    train: options.Train = None,
    val: options.Val = None,
    media: options.Media = None,
    data_format: options.Format = None,
    aliases: options.Aliases = None,
    allow_missing: options.AllowMissing = False,
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
    """Pretrain on captions with masked language modeling and text-video matching.

    Files that are not given are searched for in the storage. Resumes the latest unfinished run that has the
    same config.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.config.loading import load_config
    from clipbug.config.task import tasks_of_command

    flags = {
        "data.train": texts(train),
        "data.val": texts(val),
        "data.media": texts(media),
        "data.format": data_format,
        "data.aliases": None if aliases is None else str(aliases),
        "data.allow_missing": allow_missing or None,
        "train.max_steps": max_steps,
        "train.batch_size": batch,
        "train.max_skipped_steps": max_skipped_steps,
        "seed": seed,
    }
    (task,) = tasks_of_command("pretrain")
    resolved = load_config(config, overrides=settings or (), flags=flags, task=task.task_name())
    if print_config:
        return config_outcome(resolved)
    return run_training(
        resolved,
        dry_run=dry_run,
        storage=storage,
        output=output,
        resume=resume,
        init=None,
        accept_changes=accept_changes,
        stop_after=stop_after,
    )
