"""The additions that docs/extending.md shows can be made, and work together."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import pytest

from tests.helpers.video_factory import draw_index

REPOSITORY = Path(__file__).parents[1]
CONFIG = """\
task: {name: margin_qa, margin: 0.5}
precision: fp32
max_frame_size: 32
num_frames_per_clip: 1
model:
  backbone: {name: patches, size: 8, channels: 12}
  encoder: {hidden_size: 16, num_layers: 1, num_heads: 2, intermediate_size: 32}
  grid_pool: 1
tokenizer: {name: wordpiece, vocabulary_size: 120}
train: {batch_size: 2, num_clips: 2, max_steps: 2}
eval: {batch_size: 2, num_clips: 2}
"""


def diffs() -> list[str]:
    return re.findall(r"```diff\n(.*?)```", (REPOSITORY / "docs/extending.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with all diffs applied."""
    folder = tmp_path_factory.mktemp("extended")
    without_caches = shutil.ignore_patterns("__pycache__")
    for name in ("clipbug", "configs"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=without_caches)
    for number, diff in enumerate(diffs()):
        (folder / f"{number}.diff").write_text(diff)
        # GIT_DIR: a copy inside somebody's repository would otherwise be that repository's business
        done = subprocess.run(
            ["git", "apply", f"{number}.diff"],
            cwd=folder,
            env={**os.environ, "GIT_DIR": str(folder / "none")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"mend the diff in docs/extending.md: {done.stderr}"
    return folder


def clipbug(folder: Path, *words: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "clipbug", *words, "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_the_diffs_apply(extended: Path) -> None:
    assert len(diffs()) == 3
    for name in ("models/backbones/patches", "tasks/margin_question_answering", "data/decoding/zip_frames"):
        assert (extended / f"clipbug/{name}.py").exists()


@pytest.mark.slow
def test_the_additions_work_together(extended: Path, synthetic_store: Path) -> None:
    """A run of the new task with the new backbone, asked about a file for the new decoder."""
    row = {"question": "what is shown?", "answer_type": "what"}
    rows = [{**row, "video_id": name, "answer": name} for name in ("even", "late", "uneven", "matroska")]
    (extended / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (extended / "margin.yaml").write_text(CONFIG)
    store = ("--media", str(synthetic_store))
    report = clipbug(
        extended, "finetune", "--config", "margin.yaml", "--train", "train.jsonl", "--output", "run", *store
    )
    assert report["task"] == "margin_qa"
    clipbug(extended, "infer", "--run", "run", "--data", "train.jsonl", *store)
    assert clipbug(extended, "evaluate", "--run", "run", "--data", "train.jsonl")["metric"] == "accuracy"
    with zipfile.ZipFile(extended / "pictures.zip", "w") as archive:
        for number in range(12):
            png = cv2.imencode(".png", draw_index(number))[1].tobytes()
            archive.writestr(f"{250 * number:06}.png", png)
    answers = clipbug(extended, "ask", "pictures.zip", "what is shown?", "--model", "run")["answers"]
    assert isinstance(answers, list)
    # 12 pictures in 2.75 s: regular clips of one frame begin with the first and end with the last
    assert [clip["frame_seconds"] for clip in answers[0]["clips"]] == [[0.0], [2.75]]
