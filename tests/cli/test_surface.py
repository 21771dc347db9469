"""The commands and options are a contract: this list may grow, and nothing in it may change."""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from clipbug.cli.main import build_app
from clipbug.cli.options import FINETUNE_TASKS
from clipbug.cli.reference import cli_page
from clipbug.config.presets import task_key
from clipbug.config.schema import tags_at
from tests.cli.fakes import FakeRecipes, exit_code_of

REPOSITORY = Path(__file__).parents[2]

COMMON = {"--json", "--quiet", "-q", "--verbose", "-v"}
TRAINING = {
    *("--config", "--set", "--train", "--val", "--media", "--output", "--max-steps", "--seed", "--resume"),
    *("--dry-run", "--print-config", "--storage", "--accept-changes", "--stop-after", "--batch"),
    *("--max-skipped-steps", "--format", "--aliases", "--allow-missing"),
}
SURFACE = {
    "ingest": {
        *("PATH...", "--ext", "--file-type", "--name", "--out", "--workers", "--storage"),
        *("--prepare", "--prepare-size", "--prepare-fps", "--drop-original", "--raw", "--shards"),
    },
    "pretrain": TRAINING,
    "finetune": TRAINING | {"--task", "--answers", "--init"},
    "infer": {
        *(
            "--run",
            "--step",
            "--data",
            "--media",
            "--format",
            "--aliases",
            "--allow-missing",
            "--n-clips",
            "--batch-size",
            "--output",
            "--scores",
            "--precision",
            "--near-duplicates",
            "--compile",
            "--check",
            "--storage",
        ),
    },
    "evaluate": {"--run", "--predictions", "--data", "--format", "--storage"},
    "demo": {"--keep", "--quick", "--seed"},
    "ask": {
        *("FILE... [QUESTION...]", "--question", "--model", "--n-clips", "--top-k", "--report", "--storage"),
    },
    "timeline": {"FILE...", "--format", "--output", "--workers", "--cache", "--storage"},
    "explain": {"FILE", "QUESTION", "--answer", "--model", "--n-clips", "--output", "--storage"},
    "serve": {
        *("--model", "--n-clips", "--host", "--port", "--max-megabytes", "--keep", "--open", "--storage"),
    },
    "report": {"DIR", "--output", "--data", "--media", "--evidence", "--storage"},
    "doctor": {"--storage"},
    "baseline": {"--data", "--train", "--documents", "--task", "--format"},
    "data check": {
        *("FILE...", "--train", "--val", "--test", "--media", "--aliases", "--answers", "--format"),
    },
    "data vocab": {"FILE...", "--output", "--min-count", "--answers", "--format"},
    "data convert": {"SOURCE...", "--output", "--videos", "--answers", "--format"},
    "data split": {"FILE", "--output", "--groups", "--group-by", "--share", "--seed"},
    "weights import": {
        *("FILE|DIR...", "--output", "--task", "--answers", "--tokenizer", "--step", "--allow-missing"),
        "--set",
    },
    "weights export": {"DIR", "--format", "--output", "--step"},
    "replay": {"DIR", "--precision"},
    "benchmark train": {"--only", "--steps", "--batch", "--scale", "--check"},
    "benchmark infer": {
        *("FILE...", "--way", "--n-clips", "--recordings", "--original", "--memory"),
    },
    "benchmark ask": {"--config", "--repeats"},
    "benchmark data": {"FILE...", "--n-clips", "--size", "--repeats"},
    "benchmark store": {"--items", "--recordings", "--pictures", "--workers", "--folder"},
    "data ls": {"STORE", "--match", "--limit"},
    "data get": {"STORE", "ID...", "--output"},
    "data rm": {"STORE", "ID..."},
    "data verify": {"STORE..."},
    "config list": set(),
    "config show": {"FILE|PRESET", "--set"},
    "config validate": {"FILE|PRESET...", "--set"},
    "config import": {"FILE.json", "--output", "--task"},
    "config diff": {"FILE|PRESET"},
}


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


COMMANDS = dict(commands(get_command(build_app())))


def test_commands_and_options_are_frozen() -> None:
    found = {
        name: {word for param in command.params for word in _words(param)}
        for name, command in COMMANDS.items()
    }
    assert found == {name: options | COMMON for name, options in SURFACE.items()}


def _words(param: Any) -> list[str]:
    return [param.metavar] if param.param_type_name == "argument" else param.opts


def test_tasks_of_finetune_are_those_of_the_config() -> None:
    assert {task_key(task) for task in FINETUNE_TASKS} == set(tags_at("task")) - {"pretraining"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example_that_runs(
    name: str, recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(REPOSITORY / "configs/tiny/vqa.yaml", "my.yaml")
    Path("recording.mp4").touch()
    Path("msrvtt_qa_base_resnet50.json").write_text('{"task": "msrvtt_qa"}')
    assert exit_code_of(*name.split(), "--help") == 0
    heading, example = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()][-2:]
    assert heading == "Example:"
    words = shlex.split(example)
    assert words[: 1 + len(name.split())] == ["clipbug", *name.split()]
    assert exit_code_of(*words[1:]) == 0


def test_docs_are_fresh() -> None:
    page = (REPOSITORY / "docs/cli.md").read_text(encoding="utf-8")
    assert page == cli_page(), "run: python -m clipbug.cli.reference > docs/cli.md"
