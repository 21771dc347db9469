"""`clipbug demo`: run the full pipeline on synthetic recordings, on one CPU in about three minutes."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbug.config.inference import InferenceSettings
from clipbug.config.loading import load_config
from clipbug.errors import DataError
from clipbug.recipes.evaluate import evaluate
from clipbug.recipes.infer import infer
from clipbug.recipes.ingest import ingest
from clipbug.recipes.train import train
from clipbug.synthetic.dataset import SyntheticDataset, make_dataset


@dataclass(frozen=True, slots=True)
class TaskScores:
    """Scores of one task on held-out recordings or screenshots."""

    task: str
    run: str
    questions: int
    score: float
    interval: tuple[float, float]
    majority: float | None
    question_only: float | None
    ceiling: float
    seconds: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The data, runs and scores of the demo, and commands to try next."""

    storage: str
    recordings: int
    screens: int
    results: tuple[TaskScores, ...]
    next_commands: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Size:
    """The amount of data and training."""

    train_recordings: int
    heldout_recordings: int
    train_screens: int
    heldout_screens: int
    overrides: tuple[str, ...]


_FULL = _Size(240, 60, 500, 120, ())
_QUICK = _Size(6, 3, 12, 6, ("train.max_steps=3", "max_frame_size=64", "train.batch_size=2"))


def run_demo(*, keep: Path | None = None, quick: bool = False, seed: int = 0) -> DemoResult:
    """Generate recordings and screenshots, ingest them, train on both tasks and score held-out data.

    Held-out recordings differ from the training ones in words, colours and layout.

    Args:
        keep: storage folder to fill, empty or new; default: a new temporary folder.
        quick: use only a few recordings and steps, as a smoke test; the scores are meaningless.
        seed: random seed of the data and the training.

    Returns:
        The scores of each task.

    Raises:
        DataError: `keep` is not empty.
    """
    started = time.monotonic()
    storage = _empty_folder(keep)
    size = _QUICK if quick else _FULL
    data = make_dataset(
        storage / "demo",
        num_train=size.train_recordings,
        num_heldout=size.heldout_recordings,
        num_train_images=size.train_screens,
        num_heldout_images=size.heldout_screens,
        seed=seed,
    )
    _ingest(storage, data)
    results = tuple(_learn(task, storage, size.overrides, seed) for task in ("video_qa", "vqa"))
    return DemoResult(
        storage=str(storage),
        recordings=size.train_recordings + size.heldout_recordings,
        screens=size.train_screens + size.heldout_screens,
        results=results,
        next_commands=_next_commands(storage, results),
        seconds=round(time.monotonic() - started, 1),
    )


def _empty_folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="clipbug-demo-"))
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise DataError(f"{keep} is not an empty folder", "give a new folder: clipbug demo --keep FOLDER")
    keep.mkdir(parents=True, exist_ok=True)
    return keep


def _ingest(storage: Path, data: SyntheticDataset) -> None:
    splits = {"train": data.train, "test": data.heldout}
    recordings = [split.recordings for split in splits.values()]
    screens = [split.screens for split in splits.values()]
    ingest(recordings, extensions=["mp4"], file_type="video", store=storage / "vis_db" / "demo_recordings")
    ingest(screens, extensions=["png"], file_type="image", store=storage / "vis_db" / "demo_screens")
    for split_name, split in splits.items():
        for name, file in (("video_qa", split.video_qa), ("vqa", split.image_qa)):
            folder = storage / "txt_db" / f"demo_{name}"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / f"{split_name}.jsonl")


def _learn(task: str, storage: Path, overrides: Sequence[str], seed: int) -> TaskScores:
    config = load_config(f"demo_{task}", overrides=overrides, flags={"seed": seed}, task=task)
    training = train(config, storage=storage)
    inference = infer(InferenceSettings(run=Path(training.run)), storage=storage)
    scores = evaluate(storage=storage, predictions=Path(inference.predictions)).scores
    return TaskScores(
        task=task,
        run=training.run,
        questions=scores.count,
        score=scores.score,
        interval=scores.interval,
        majority=scores.baselines["majority"],
        question_only=scores.baselines["question_only"],
        ceiling=scores.ceiling,
        seconds=round(training.seconds + inference.seconds, 1),
    )


def _next_commands(storage: Path, results: Sequence[TaskScores]) -> tuple[str, ...]:
    run = results[0].run
    return (
        f"clipbug evaluate --run {run}",
        f"clipbug infer --run {run} --step last --n-clips 16",
        f"clipbug finetune --task vqa --storage {storage}",
        "clipbug ingest FOLDER_OF_YOUR_RECORDINGS --ext mp4 avi",
    )
