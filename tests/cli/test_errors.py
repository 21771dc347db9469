"""Every error becomes words, JSON and an exit code in one place."""

import errno
import json
import sys

import pytest

from clipbug.errors import ClipbugError, ConfigError, DataError, DecodeError, OutOfMemoryError
from tests.helpers.fake_recipes import FakeRecipes, exit_code_of

EVALUATE = ("evaluate", "--run", "folder")
TorchOutOfMemory = type("OutOfMemoryError", (RuntimeError,), {})
ERRORS = [
    (DataError("no store at x", "clipbug ingest videos/"), 1, "DataError", "no store at x"),
    (ConfigError("1 problem"), 1, "ConfigError", "1 problem"),
    (DecodeError("a.mp4: no picture"), 1, "DecodeError", "a.mp4: no picture"),
    (OutOfMemoryError("needs 3 GiB", "--set train.batch_size=1"), 4, "OutOfMemoryError", "needs 3 GiB"),
    (MemoryError(), 4, "OutOfMemoryError", "out of memory"),
    (TorchOutOfMemory("CUDA out of memory"), 4, "OutOfMemoryError", "CUDA out of memory"),
    (
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        4,
        "OutOfMemoryError",
        "can't allocate memory",
    ),
    (KeyboardInterrupt(), 130, "Interrupted", "interrupted; the state of a running training is saved"),
    (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 1, "OSError", "No space left on device: /x/y"),
    (RuntimeError("shapes differ"), 1, "RuntimeError", "RuntimeError: shapes differ"),
    (KeyError("labels"), 1, "KeyError", "KeyError: 'labels'"),
]
IDS = [f"{kind}-{code}-{message[:9]}" for _, code, kind, message in ERRORS]


@pytest.mark.parametrize(("error", "code", "kind", "message"), ERRORS, ids=IDS)
def test_error_in_words(
    error: BaseException,
    code: int,
    kind: str,
    message: str,
    recipes: FakeRecipes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipes.raises = error
    assert exit_code_of(*EVALUATE) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert "Traceback" not in printed.err
    if isinstance(error, ClipbugError):
        assert error.hint in printed.err


@pytest.mark.parametrize(("error", "code", "kind", "message"), ERRORS, ids=IDS)
def test_error_as_json(
    error: BaseException,
    code: int,
    kind: str,
    message: str,
    recipes: FakeRecipes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipes.raises = error
    assert exit_code_of(*EVALUATE, "--json") == code
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"error"}
    assert set(shown["error"]) == {"type", "message", "hint"}
    assert shown["error"]["type"] == kind
    assert message in shown["error"]["message"]


def test_a_defect_says_so_and_verbose_shows_where(
    recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes.raises = RuntimeError("shapes differ")
    assert exit_code_of(*EVALUATE) == 1
    assert "this is a bug in clipbug; rerun with --verbose" in capsys.readouterr().err
    for flag in ("-v", "--verbose"):
        assert exit_code_of(*EVALUATE, flag) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "Traceback (most recent call last)" in printed.err


@pytest.mark.parametrize(
    "words",
    [
        ("evaluat",),
        ("evaluate", "--unknown"),
        ("evaluate", "--run", "a", "--predictions", "b"),
        ("ingest",),
        ("ingest", "videos", "--name", "a", "--out", "b"),
        ("ingest", "videos", "--file-type", "audio"),
        ("infer", "--step", "newest"),
        ("infer", "--n-clips", "0"),
        ("finetune", "--task", "chess"),
        ("config", "shoow"),
    ],
    ids=" ".join,
)
def test_usage_errors(
    words: tuple[str, ...], recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(*words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--help" in printed.err
    assert exit_code_of(*words, "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "UsageError"
    assert not recipes.calls


def test_usage_error_names_the_value_and_the_near_word(
    recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code_of("finetune", "--task", "chess")
    assert "'chess'" in capsys.readouterr().err
    exit_code_of("evaluat")
    assert "'evaluate'" in capsys.readouterr().err


def test_a_terminal_gets_a_panel(
    recipes: FakeRecipes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes.raises = DataError("no store at [x]", "clipbug ingest videos/")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert exit_code_of(*EVALUATE) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    for word in ("╭", "DataError", "no store at [x]", "clipbug ingest videos/"):
        assert word in printed.err
