"""The `clipbug` command and its subcommands. Heavy modules are imported only when a command runs."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.main import get_command

from clipbug._version import __version__
from clipbug.cli import (
    ask,
    baseline,
    benchmark,
    benchmark_infer,
    benchmark_train,
    config,
    demo,
    doctor,
    evaluate,
    finetune,
    infer,
    ingest,
    pretrain,
    report,
    serve,
    timeline,
    weights,
)
from clipbug.cli.data import annotations as data_annotations
from clipbug.cli.data import split as data_split
from clipbug.cli.data import store as data_store
from clipbug.cli.multi_value import MultiValueCommand
from clipbug.cli.reporting import run
from clipbug.cli.startup import Termination, let_idle_threads_sleep
from clipbug.runtime.allocator import keep_freed_memory

_Commands = Sequence[tuple[str, Callable[..., Any], str]]  # name, function, example

_HELP_NAMES = {"help_option_names": ["--help", "-h"]}
_COMMANDS: _Commands = (
    ("ingest", ingest.ingest, "clipbug ingest videos/ --ext mp4 avi"),
    ("pretrain", pretrain.pretrain, "clipbug pretrain --train captions.jsonl --media storage/vis_db/videos"),
    ("finetune", finetune.finetune, "clipbug finetune --task vqa"),
    ("infer", infer.infer, "clipbug infer --step 20000 --n-clips 16"),
    ("evaluate", evaluate.evaluate, "clipbug evaluate --run storage/finetune/video-qa-001"),
    ("baseline", baseline.baseline, "clipbug baseline --train train.jsonl --data test.jsonl"),
    ("ask", ask.ask, 'clipbug ask recording.mp4 "what is tapped first?"'),
    ("timeline", timeline.timeline, "clipbug timeline recording.mp4 --format markdown"),
    ("explain", ask.explain, 'clipbug explain recording.mp4 "what is tapped first?"'),
    ("serve", serve.serve, "clipbug serve --open"),
    ("report", report.report, "clipbug report storage/finetune/video-qa-001"),
    ("demo", demo.demo, "clipbug demo --keep storage"),
    ("doctor", doctor.doctor, "clipbug doctor"),
)
_CONFIG_COMMANDS: _Commands = (
    ("list", config.list_presets, "clipbug config list"),
    ("show", config.show, "clipbug config show gui_vqa --set train.batch_size=4"),
    ("validate", config.validate, "clipbug config validate my.yaml"),
    ("import", config.import_config, "clipbug config import msrvtt_qa_base_resnet50.json"),
    ("diff", config.diff, "clipbug config diff gui_vqa my.yaml"),
)
_WEIGHTS_COMMANDS: _Commands = (
    (
        "import",
        weights.import_weights,
        "clipbug weights import msrvtt_qa_run/ --step 500 --output model",
    ),
    (
        "export",
        weights.export_weights,
        "clipbug weights export model --format clipbert --output model_step_500.pt",
    ),
)
_DATA_COMMANDS: _Commands = (
    (
        "check",
        data_annotations.check,
        "clipbug data check train.jsonl test.jsonl --media storage/vis_db/videos",
    ),
    ("vocab", data_annotations.vocab, "clipbug data vocab train.jsonl --output ans2label.json"),
    ("convert", data_annotations.convert, "clipbug data convert questions.csv --output questions.jsonl"),
    (
        "split",
        data_split.split,
        "clipbug data split questions.jsonl --output storage/txt_db/mine",
    ),
    ("ls", data_store.list_store, "clipbug data ls storage/vis_db/videos"),
    ("get", data_store.get, "clipbug data get storage/vis_db/videos login_bug --output found"),
    ("rm", data_store.remove, "clipbug data rm storage/vis_db/videos login_bug"),
    ("verify", data_store.verify, "clipbug data verify storage/vis_db/videos"),
)
_BENCHMARK_COMMANDS: _Commands = (
    ("data", benchmark.data, "clipbug benchmark data --n-clips 16"),
    ("train", benchmark_train.train, "clipbug benchmark train --only defaults"),
    ("ask", benchmark.ask, "clipbug benchmark ask --repeats 5"),
    ("infer", benchmark_infer.infer, "clipbug benchmark infer --way strict default"),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clipbug {__version__}")
        raise typer.Exit


def _start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Handle the options of `clipbug` itself."""
    _help_without_subcommand(context)


def _help_without_subcommand(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _app(help_text: str, start: Callable[..., None], example: str, commands: _Commands) -> typer.Typer:
    app = typer.Typer(rich_markup_mode="rich", context_settings=_HELP_NAMES)
    app.callback(help=help_text, epilog=_example(example), invoke_without_command=True)(start)
    for name, function, line in commands:
        app.command(name, cls=MultiValueCommand, epilog=_example(line), context_settings=_HELP_NAMES)(
            function
        )
    return app


def _example(command_line: str) -> str:
    return f"Example:\n\n{command_line}"


def build_app() -> typer.Typer:
    """Build the complete command line."""
    title = "Read screen recordings of app bugs, and answer questions about them."
    app = _app(title, _start, "clipbug demo", _COMMANDS)
    configs = _app(
        "Inspect, validate and import configs.",
        _help_without_subcommand,
        "clipbug config list",
        _CONFIG_COMMANDS,
    )
    app.add_typer(configs, name="config")
    models = _app(
        "Import and export weights.",
        _help_without_subcommand,
        "clipbug weights import --help",
        _WEIGHTS_COMMANDS,
    )
    app.add_typer(models, name="weights")
    annotations = _app(
        "Check, convert and split annotation files; inspect stores.",
        _help_without_subcommand,
        "clipbug data split --help",
        _DATA_COMMANDS,
    )
    app.add_typer(annotations, name="data")
    benchmarks = _app(
        "Measure speed on this machine.",
        _help_without_subcommand,
        "clipbug benchmark data",
        _BENCHMARK_COMMANDS,
    )
    app.add_typer(benchmarks, name="benchmark")
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit with its exit code.

    Args:
        arguments: the words after `clipbug`; default: those of this process.
    """
    let_idle_threads_sleep()
    keep_freed_memory()
    with Termination() as termination:
        code = run(get_command(build_app()), sys.argv[1:] if arguments is None else arguments)
    sys.exit(termination.exit_code(code))
