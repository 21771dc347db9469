"""The command answers at once, because nothing heavy is imported before a command runs."""

import gc
import json
import os
import signal
import subprocess
import sys
import weakref
from importlib import import_module
from pathlib import Path

import pytest

from clipbug.cli.startup import Termination, heavy_imports, let_idle_threads_sleep

HEAVY = ("torch", "torchvision", "transformers", "tokenizers", "cv2", "av", "lmdb", "numpy", "tensorboard")
PROBE = """
import json, sys
from clipbug.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as leaving:
    code = leaving.code
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        [],
        ["config"],
        ["--version"],
        ["finetune", "--help"],
        ["ingest", "--help"],
        ["infer", "--step", "x"],
    ],
)
def test_nothing_heavy_is_imported(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == (2 if "x" in words else 0)
    assert [name for name in HEAVY if name in modules] == []


def test_configs_need_nothing_heavy() -> None:
    words = ["config", "validate", "gui_vqa"]
    done = subprocess.run([sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    assert [name for name in HEAVY if name in modules] == []


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clipbug", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("clipbug ")


def completions(line: str, **variables: str) -> list[str]:
    environment = {
        **os.environ,
        **variables,
        "_CLIPBUG_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    done = subprocess.run([sys.executable, "-m", "clipbug"], capture_output=True, text=True, env=environment)
    return done.stdout.split()


@pytest.mark.parametrize(
    "line",
    ["clipbug infer --run ", "clipbug ask a.mp4 --model ", "clipbug report ", "clipbug serve --model "],
)
def test_runs_are_completed_newest_first(line: str, tmp_path: Path) -> None:
    for age, name in enumerate(("finetune/new", "pretrained/old")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").touch()
        os.utime(tmp_path / name / "config.yaml", (1000 - age, 1000 - age))
    (tmp_path / "finetune" / "broken").mkdir()
    found = completions(line, CLIPBUG_STORAGE=str(tmp_path))
    assert found == [str(tmp_path / "finetune/new"), str(tmp_path / "pretrained/old")]
    assert completions(f"{line}{tmp_path}/pre", CLIPBUG_STORAGE=str(tmp_path)) == found[1:]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clipbug fine", "finetune"),
        ("clipbug finetune --ta", "--task"),
        ("clipbug finetune --task v", "video-qa"),
        ("clipbug finetune --config gui_v", "gui_video_qa"),
        ("clipbug config show tiny/v", "tiny/vqa"),
        ("clipbug finetune --set a=1 b=2 --re", "--resume"),
    ],
)
def test_shell_completion(line: str, expected: str) -> None:
    assert expected in completions(line)


def test_idle_threads_sleep_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    let_idle_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    let_idle_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "active"


def test_garbage_is_not_searched_in_what_was_imported() -> None:
    class Garbage:
        pass

    try:
        with pytest.raises(ImportError), heavy_imports():
            import_module("clipbug.no_such_module")
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
        thing = Garbage()
        thing.itself = thing  # type: ignore[attr-defined]
        gone = weakref.ref(thing)
        del thing
        gc.collect()
        assert gone() is None, "garbage that comes later is still found"
    finally:
        gc.unfreeze()


def test_sigterm_ends_a_command_as_ctrl_c_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Termination() as termination:
        assert termination.exit_code(130) == 130
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert [termination.exit_code(code) for code in (0, 1, 130)] == [0, 1, 143]
    assert signal.getsignal(signal.SIGTERM) is before
