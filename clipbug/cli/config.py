"""`clipbug config list|show|validate|import|diff`."""

from pathlib import Path
from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.training import config_outcome
from clipbug.cli.views.generic import report_view
from clipbug.errors import ConfigError

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE|PRESET", help="YAML file or preset.", autocompletion=options.complete_config
    ),
]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE|PRESET...", help="YAML files and presets.", autocompletion=options.complete_config
    ),
]


def list_presets(
    as_json: options.AsJson = False, quiet: options.Quiet = False, verbose: options.Verbose = False
) -> Outcome:
    """List the presets, with the command that runs each."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.config.presets import preset_command, preset_names, presets_folder

    presets = [{"preset": name, "command": preset_command(name)} for name in preset_names()]
    payload = {"folder": str(presets_folder()), "presets": presets}
    return Outcome(payload, report_view("", {"presets": presets}))


def show(
    source: Source,
    settings: options.Settings = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Print a config with all defaults filled in."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.config.loading import load_config

    return config_outcome(load_config(source, overrides=settings or ()))


def validate(
    sources: Sources,
    settings: options.Settings = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Check configs and list every problem in them."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.config.loading import load_config

    tasks, errors = {}, []
    for source in sources:
        try:
            tasks[source] = load_config(source, overrides=settings or ()).task.name
        except ConfigError as error:
            errors.append(error)
    if errors:
        raise ConfigError("\n".join(error.message for error in errors), errors[0].hint)
    lines = "\n".join(f"{source}: valid, task {task}" for source, task in tasks.items())
    return Outcome({"valid": tasks}, lines)


def import_config(
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="ClipBERT preset or args.json.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE.yaml", help="Write the config to this file and print the flags."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="MODEL_TASK",
            help="Default: inferred from the flags.",
            callback=options.check_model_task,
        ),
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Convert a JSON config of ClipBERT or ClipBugBERT; flags without an equivalent are listed."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.recipes.config_import import import_config_file

    imported = import_config_file(file, task=task)
    if output is not None:
        _write_new(output, imported.to_yaml())
    payload = {**imported.to_json(), "output": None if output is None else str(output)}
    table = report_view("config", {"flags": payload["flags"], "output": str(output)})
    view = table if output is not None else imported.to_yaml().rstrip("\n")
    return Outcome(payload, view, exit_code=3 if payload["unknown"] else 0)


def _write_new(path: Path, text: str) -> None:
    from clipbug.runtime.files import atomic_write

    if path.exists():
        raise ConfigError(f"{path} already exists", "name a new file with --output")
    atomic_write(path, text)


def diff(
    first: Source,
    second: Source,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Compare two configs, including defaults."""
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.config.loading import differing_values, load_config

    pairs = differing_values(load_config(first), load_config(second))
    rows = [{"key": key, "first": values[0], "second": values[1]} for key, values in pairs.items()]
    payload = {"first": first, "second": second, "differences": rows}
    return Outcome(payload, report_view("configs", payload) if rows else "no differences")
