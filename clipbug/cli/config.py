"""`clipbug config list|show|validate`."""

from typing import Annotated

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging
from clipbug.cli.tables import report_view
from clipbug.cli.training import config_outcome
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
    """List the presets, each with the command that runs it."""
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
    """Print a config with every value it leaves to its default."""
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
    """Check configs and name everything that is wrong with them."""
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
