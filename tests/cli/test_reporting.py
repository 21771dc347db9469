"""Results go to standard output, alone under --json; what is in a report is shown."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clipbug.cli.reporting import Outcome, run
from clipbug.errors import DataError
from tests.helpers.fake_recipes import ANY_REPORT, FakeRecipes, FakeReport, exit_code_of

INFER = ("infer", "--run", "folder")


def test_json_is_all_of_standard_output(recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]) -> None:
    recipes.before = lambda: print("a library talks")
    assert exit_code_of(*INFER, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == recipes.report.payload
    assert "a library talks" in printed.err


def test_json_is_strict(recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]) -> None:
    recipes.report = FakeReport(
        {"loss": math.nan, "run": Path("a/b"), "spans": ((0.0, math.inf),), "answer": "naïve"}
    )
    assert exit_code_of(*INFER, "--json") == 0
    expected = {"loss": None, "run": "a/b", "spans": [[0.0, None]], "answer": "naïve"}
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == expected


def test_tables_show_every_value(recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]) -> None:
    long_path = "/storage/" + "x" * 200
    recipes.report = FakeReport(
        {
            "score": 0.51234,
            "interval": [0.25, 0.75],
            "num_bytes": 12_345_678,
            "seconds": 3.5,
            "run": long_path,
            "best": None,
            "by_type": {"yes/no": {"count": 30, "score": 0.5}, "color": {"count": 1234}},
            "bad": [{"path": "a[b].mp4", "reason": "no picture"}],
        }
    )
    assert exit_code_of(*INFER) == 0
    text = capsys.readouterr().out
    words = (
        "0.5123",
        "0.25, 0.75",
        "12.35 MB",
        "3.5 s",
        "yes/no",
        "1,234",
        "a[b].mp4",
        "no picture",
        "by type",
    )
    for word in words:
        assert word in text
    assert text.count("x") >= 200


def test_items_found_bad(recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]) -> None:
    recipes.report = FakeReport({"bad": [{"path": "a.mp4", "reason": "empty"}]}, bad=("a.mp4",))
    assert exit_code_of("ingest", "videos") == 3
    assert "a.mp4" in capsys.readouterr().out


def test_only_the_first_process_prints(
    recipes: FakeRecipes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert exit_code_of(*INFER) == 0
    assert exit_code_of(*INFER, "--json") == 0
    assert capsys.readouterr().out == ""
    recipes.raises = DataError("row 3 is bad")
    assert exit_code_of(*INFER, "--json") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "[rank 1] error: row 3 is bad\n"


@pytest.mark.parametrize(
    ("rank", "restarts", "code"),
    [("0", "0 of 0", 3), ("1", "0 of 0", 0), ("0", "0 of 2", 0), ("0", "2 of 2", 3)],
)
def test_bad_items_do_not_make_torchrun_end_or_repeat_the_work(
    recipes: FakeRecipes, monkeypatch: pytest.MonkeyPatch, rank: str, restarts: str, code: int
) -> None:
    count, _, most = restarts.partition(" of ")
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", count)
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", most)
    recipes.report = FakeReport({**ANY_REPORT, "failures": [{"media_id": "late"}]})
    assert exit_code_of(*INFER) == code


class _Command:
    """What typer hands to `run`, reduced to one result."""

    def __init__(self, result: Any) -> None:
        self._result = result

    def main(self, **_: Any) -> Any:
        return self._result


def test_plain_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[bold]x: [1, 2]" + "y" * 300
    assert run(_Command(Outcome({}, text)), []) == 0
    assert capsys.readouterr().out == f"{text}\n"


def test_exit_codes_of_typer_pass_through() -> None:
    assert run(_Command(0), []) == 0
    assert run(_Command(None), []) == 0
    assert run(_Command(130), []) == 130


@pytest.mark.parametrize("size", [10, 1_000_000], ids=["left in the buffer", "written at once"])
def test_a_reader_that_leaves_early_is_no_error(size: int) -> None:
    """The command waits until its reader is gone, then writes."""
    program = (
        "import sys; from clipbug.cli.reporting import Outcome, run\n"
        "class Command:\n"
        "    def main(self, **_): sys.stdin.read(); return Outcome({}, 'x' * int(sys.argv[1]))\n"
        "sys.exit(run(Command(), []))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0
