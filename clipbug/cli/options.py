"""Options that several commands share, each declared once."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from clipbug.runtime.files import existing_path

DEFAULT_STORAGE = Path("storage")
_EXTENSION = re.compile(r"[a-z0-9]{1,5}")
_STEP = re.compile(r"[0-9]+|best|last")
_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?")
DEFAULT_WAIT_SECONDS = 60.0
_GLOBAL = "Global options"

FormatChoice = Literal["auto", "vqa", "video_qa", "multiple_choice", "captions"]
FORMATS = tuple(choice.replace("_", "-") for choice in get_args(FormatChoice))
ResumeChoice = Literal["auto", "required", "never"]
FileTypeChoice = Literal["auto", "image", "video"]


def complete_config(incomplete: str) -> list[str]:
    """Return the presets that start with `incomplete`."""
    from clipbug.config.presets import preset_names

    return [name for name in preset_names() if name.startswith(incomplete)]


def complete_task(incomplete: str) -> list[str]:
    """Return the tasks that begin with what is typed."""
    return [task for task in finetune_tasks() if task.startswith(incomplete.replace("_", "-"))]


def finetune_tasks() -> list[str]:
    """Return the tasks that `clipbug finetune` trains."""
    from clipbug.config.task import tasks_of_command

    return [task.option_name() for task in tasks_of_command("finetune")]


def model_tasks() -> list[str]:
    """Return the tasks that a model can be for: those of `finetune`, then those of `pretrain`."""
    from clipbug.config.task import tasks_of_command

    return [*finetune_tasks(), *(task.task_name() for task in tasks_of_command("pretrain"))]


# Metavars that a command replaces with the names of tasks when it is used: to know them means to import the
# configs, which would double the time that `clipbug --help` takes.
TASK_METAVARS: Mapping[str, Callable[[], list[str]]] = {
    "FINETUNE_TASK": finetune_tasks,
    "MODEL_TASK": model_tasks,
}


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """Return the run directories in the storage that start with `incomplete`, newest first."""
    root = Path(context.params.get("storage") or os.environ.get("CLIPBUG_STORAGE") or DEFAULT_STORAGE)
    configs = [file for kind in ("finetune", "pretrained") for file in (root / kind).glob("*/config.yaml")]
    newest_first = sorted(configs, key=lambda file: -file.stat().st_mtime_ns)
    return [str(file.parent) for file in newest_first if str(file.parent).startswith(incomplete)]


def check_task(task: str | None) -> str | None:
    """Return the task as configs spell it.

    Raises:
        typer.BadParameter: if `finetune` does not support it.
    """
    if task is not None and task.replace("_", "-") not in (names := finetune_tasks()):
        raise typer.BadParameter(f"{task!r} is not a valid task; choose from {', '.join(names)}.")
    return None if task is None else task.replace("-", "_")


def check_model_task(task: str | None) -> str | None:
    """Return the task as configs spell it, as `check_task` does, but also accept pretraining."""
    from clipbug.config.task import tasks_of_command

    for one in tasks_of_command("pretrain"):
        if task in (one.command, one.task_name()):
            return one.task_name()
    return check_task(task)


def parse_format(name: str) -> FormatChoice:
    """Return the annotation format as configs spell it.

    Raises:
        typer.BadParameter: if it is unknown.
    """
    for choice in get_args(FormatChoice):
        if name.replace("-", "_") == choice:
            return choice  # type: ignore[no-any-return]
    raise typer.BadParameter(f"{name!r} is not a valid format; choose from {', '.join(FORMATS)}.")


def check_step(step: str) -> str:
    """Return the step unchanged.

    Raises:
        typer.BadParameter: if it is not a number, "best" or "last".
    """
    if not _STEP.fullmatch(step):
        raise typer.BadParameter(f"{step!r} is not a valid step; give a number, 'best' or 'last'.")
    return step


def split_extensions(text: str) -> list[str]:
    """Return the extensions in one value ("MP4", ".mp4", "*.mp4", "mp4,avi"), lower case, without dot."""
    names = (name.strip().lower() for name in text.split(","))
    return [name.removeprefix("*").removeprefix(".") for name in names if name]


def is_extension(text: str) -> bool:
    """Return whether a word after `--ext` is an extension rather than the next positional path."""
    names = split_extensions(text)
    return bool(names) and all(map(_EXTENSION.fullmatch, names)) and existing_path(text) is None


def check_extensions(values: list[str] | None) -> list[str]:
    """Return the given extensions without repetitions.

    Raises:
        typer.BadParameter: if one is not a file extension.
    """
    names = list(dict.fromkeys(name for value in values or () for name in split_extensions(value)))
    for name in names:
        if not _EXTENSION.fullmatch(name):
            raise typer.BadParameter(f"{name!r} is not a file extension. Example: --ext mp4 avi")
    return names


def duration_seconds(text: str) -> float:
    """Return the seconds of "90s", "55m" or "1h30m"; a number without unit is in minutes.

    Raises:
        typer.BadParameter: if the text is not a duration.
    """
    words = text.strip().lower()
    match = _DURATION.fullmatch(f"{words}m" if re.fullmatch(_NUMBER, words) else words)
    if match is None or not any(match.groups()):
        raise typer.BadParameter(f"{text!r} is not a valid duration. Examples: 55m, 1h30m, 90s.")
    hours, minutes, seconds = (float(group or 0) for group in match.groups())
    return 3600 * hours + 60 * minutes + seconds


AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object on standard output.", rich_help_panel=_GLOBAL),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only the result and warnings.", rich_help_panel=_GLOBAL)
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Print more detail, and tracebacks of errors.", rich_help_panel=_GLOBAL
    ),
]
StorageRoot = Annotated[
    Path,
    typer.Option(
        "--storage",
        envvar="CLIPBUG_STORAGE",
        metavar="DIR",
        help="Root folder with vis_db/, txt_db/, pretrained/ and finetune/.",
        rich_help_panel=_GLOBAL,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE|PRESET",
        help="YAML file, or a preset from `clipbug config list`.",
        autocompletion=complete_config,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE...", help="Config values, such as train.batch_size=4. Repeatable."
    ),
]
RunSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE...",
        help="Config values that replace the run's, such as sampling.name=regular. Repeatable.",
    ),
]
Train = Annotated[
    list[Path] | None, typer.Option("--train", metavar="FILE...", help="Annotation files to train on.")
]
Val = Annotated[
    list[Path] | None, typer.Option("--val", metavar="FILE...", help="Annotation files to validate on.")
]
Media = Annotated[
    list[Path] | None,
    typer.Option(
        "--media",
        metavar="STORE...",
        help="Stores made by `clipbug ingest`. Default: the run's, or all in the storage.",
    ),
]
Format = Annotated[
    FormatChoice | None,
    typer.Option(
        "--format",
        metavar="|".join(FORMATS),
        help="Format of the annotation files. Default: the one that fits the task.",
        parser=parse_format,
    ),
]
Aliases = Annotated[
    Path | None,
    typer.Option(
        "--aliases",
        metavar="FILE",
        help="JSON object {id in annotations: id in stores}, for media stored under another name.",
    ),
]
AllowMissing = Annotated[
    bool,
    typer.Option(
        "--allow-missing", help="Skip rows whose media is in no store; evaluation counts them as wrong."
    ),
]
MaxSteps = Annotated[int | None, typer.Option("--max-steps", min=1, metavar="N", help="Optimizer steps.")]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, metavar="N", help="Random seed of weights, order and clips.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="Run directory. Default: a new one in the storage."),
]
Resume = Annotated[
    ResumeChoice,
    typer.Option(
        "--resume",
        metavar="auto|required|never",
        help="auto: resume an unfinished run that has the same config, else start a new one.",
    ),
]
AcceptChanges = Annotated[
    bool,
    typer.Option(
        "--accept-changes",
        help="Resume even if the config, data or number of processes has changed.",
    ),
]
StopAfter = Annotated[
    float | None,
    typer.Option(
        "--stop-after",
        parser=duration_seconds,
        metavar="55m",
        help="Save and stop after this time; the same command resumes. For batch queues.",
    ),
]
Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        parser=duration_seconds,
        metavar="60s",
        help="How long to wait while another process writes to the store. Default: 60s.",
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", min=1, metavar="N", help="Media items per process and micro-batch (train.batch_size)."
    ),
]
MaxSkippedSteps = Annotated[
    int | None,
    typer.Option("--max-skipped-steps", min=0, metavar="N", help="Tolerate up to N steps with NaN or Inf."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print rows, steps, parameters and memory without training.")
]
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print the resolved config as YAML without training.")
]
Run = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="DIR",
        help="Run directory or model folder. Default: the newest run in the storage.",
        autocompletion=complete_run,
    ),
]
