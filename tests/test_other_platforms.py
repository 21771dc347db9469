"""Commands where Python has no fcntl and no resource, as on Windows, and processes start by spawning."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# What Windows lacks, and how it starts processes. Each Python process with this file in its path runs it.
SITE = """
import builtins, importlib.util, multiprocessing, os, sys

sys.modules["fcntl"] = sys.modules["resource"] = None
# On Linux psutil, where somebody has installed it, needs them: here nobody has.
sys.modules["psutil"] = None
ordinary_find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *package: None if name == "psutil" else ordinary_find(name, *package)

ordinary_import = builtins.__import__

def windows_import(name, globals=None, *others, **named):
    importer = (globals or {}).get("__name__", "")
    if name in ("fcntl", "resource", "pwd", "grp", "termios") and importer.startswith("clipbug"):
        raise ModuleNotFoundError(f"no module {name} on Windows, which {importer} imports")
    return ordinary_import(name, globals, *others, **named)

builtins.__import__ = windows_import
for name in ("sched_getaffinity", "posix_fallocate"):
    if hasattr(os, name):
        delattr(os, name)
multiprocessing.set_start_method("spawn")
multiprocessing.get_all_start_methods = lambda: ["spawn"]
"""


def run(words: list[str], folder: Path, *, expected: int = 0) -> str:
    paths = (folder / "site", Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "clipbug", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == expected, done.stderr
    return done.stdout


def test_commands_without_posix(synthetic_store: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    rows = [
        {"question_id": number, "video_id": media_id, "question": "what is it?", "answer": answer}
        for number, (media_id, answer) in enumerate([("even", "red"), ("late", "blue"), ("uneven", "red")])
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    run(["data", "get", str(synthetic_store), "even", "late", "uneven", "--output", "videos"], tmp_path)
    ingested = json.loads(run(["ingest", "videos", "--out", "store", "--workers", "2", "--json"], tmp_path))
    assert (ingested["added"], ingested["bad"]) == (3, [])
    data = ["--train", "rows.jsonl", "--val", "rows.jsonl", "--media", "store", "--output", "run"]
    settings = ["num_frames_per_clip=1", "max_frame_size=32", "data.num_workers=1"]
    words = ["finetune", "--task", "video-qa", "--config", "tiny/video_qa", *data, "--max-steps", "2"]
    trained = json.loads(run([*words, "--json", "--set", *settings], tmp_path))
    assert trained["steps"] == 2
    inferred = json.loads(run(["infer", "--run", "run", "--data", "rows.jsonl", "--json"], tmp_path))
    assert inferred["questions"] == 3
    assert json.loads(run(["evaluate", "--run", "run", "--json"], tmp_path))["count"] == 3
    asked = json.loads(run(["ask", "videos/even.mp4", "what?", "--model", "run", "--json"], tmp_path))
    assert asked["answers"][0]["answer"] in ("red", "blue")
    run(["data", "rm", "store", "even"], tmp_path)
    found = json.loads(run(["doctor", "--json"], tmp_path))["findings"]
    assert "memory of workers" in {finding["check"] for finding in found}


def test_help_of_every_command_without_posix(tmp_path: Path) -> None:
    """In one process, since each start takes a second."""
    program = (
        f"{SITE}\n"
        "import clipbug, pkgutil, importlib\n"
        "from tests.cli.test_surface import COMMANDS\n"
        "from tests.helpers.fake_recipes import exit_code_of\n"
        "for name in COMMANDS:\n"
        "    assert exit_code_of(*name.split(), '--help') == 0, name\n"
        "for module in pkgutil.walk_packages(clipbug.__path__, 'clipbug.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
    )
    repository = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_import_and_ingest_where_nobody_has_fcntl_and_resource(tmp_path: Path, synthetic_store: Path) -> None:
    (tmp_path / "site").mkdir()
    site = "import sys\nsys.modules['fcntl'] = sys.modules['resource'] = None\n"
    (tmp_path / "site" / "sitecustomize.py").write_text(site, encoding="utf-8")
    run(["data", "get", str(synthetic_store), "even", "--output", "videos"], tmp_path)
    for workers in ("0", "1"):
        words = ["ingest", "videos", "--out", f"store{workers}", "--workers", workers, "--json"]
        assert json.loads(run(words, tmp_path))["added"] == 1
