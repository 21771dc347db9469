"""Write a synthetic data set: recordings, screenshots and annotation files."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from clipbug.runtime.files import atomic_write
from clipbug.runtime.progress import ProgressBar
from clipbug.synthetic.balance import without_surplus
from clipbug.synthetic.pools import HELDOUT_POOL, TRAIN_POOL, Pool
from clipbug.synthetic.questions import caption_row, image_rows, video_rows
from clipbug.synthetic.recorder import write_recording
from clipbug.synthetic.script import Truth, perform
from clipbug.synthetic.session import Session
from clipbug.synthetic.session_plan import plan_recordings
from clipbug.synthetic.stills import draw_stills
from clipbug.synthetic.style import SCREEN_HEIGHT, SCREEN_WIDTH

SplitName = Literal["train", "heldout"]
POOLS: dict[SplitName, Pool] = {"train": TRAIN_POOL, "heldout": HELDOUT_POOL}


@dataclass(frozen=True, slots=True)
class SyntheticSplit:
    """Paths of one split.

    Attributes:
        recordings: folder of <video_id>.mp4; ids are unique across both splits.
        screens: folder of <image_id>.png; ids are unique across both splits.
        actions: file with the script of each recording.
    """

    recordings: Path
    screens: Path
    video_qa: Path
    image_qa: Path
    captions: Path
    actions: Path


@dataclass(frozen=True, slots=True)
class SyntheticDataset:
    """A data set whose held-out split shares no colour, word or layout with the training split."""

    folder: Path
    train: SyntheticSplit
    heldout: SyntheticSplit


def make_dataset(
    folder: Path,
    *,
    num_train: int,
    num_heldout: int,
    num_train_images: int,
    num_heldout_images: int,
    seed: int,
) -> SyntheticDataset:
    """Generate a data set; equal arguments give equal bytes.

    Args:
        folder: folder to write to.
        num_train: number of training recordings.
        num_heldout: number of held-out recordings.
        num_train_images: number of training screenshots.
        num_heldout_images: number of held-out screenshots.
        seed: random seed.

    Returns:
        The paths of the files.

    Raises:
        ClipbugError: a file cannot be written.
    """
    train, heldout = _split_paths(folder, "train"), _split_paths(folder, "heldout")
    total = num_train + num_heldout + num_train_images + num_heldout_images
    with ProgressBar("generating recordings and screenshots", total, unit="files") as progress:
        _write_recordings(train, "train", range(num_train), seed, progress)
        _write_recordings(heldout, "heldout", range(num_train, num_train + num_heldout), seed, progress)
        _write_screens(train, "train", range(num_train_images), seed, progress)
        images = range(num_train_images, num_train_images + num_heldout_images)
        _write_screens(heldout, "heldout", images, seed, progress)
    return SyntheticDataset(folder, train, heldout)


def _split_paths(folder: Path, name: SplitName) -> SyntheticSplit:
    texts = folder / "txt"
    split = SyntheticSplit(
        recordings=folder / "recordings" / name,
        screens=folder / "screens" / name,
        video_qa=texts / f"video_qa_{name}.jsonl",
        image_qa=texts / f"image_qa_{name}.jsonl",
        captions=texts / f"captions_{name}.jsonl",
        actions=texts / f"actions_{name}.jsonl",
    )
    for path in (split.recordings, split.screens, texts):
        path.mkdir(parents=True, exist_ok=True)
    return split


def _generator(seed: int, name: SplitName, kind: str, number: int = 0) -> np.random.Generator:
    """Return a generator that depends only on the arguments, so that a larger set extends a smaller one."""
    return np.random.default_rng([seed, list(POOLS).index(name), ("video", "image").index(kind), number])


def _write_recordings(
    split: SyntheticSplit, name: SplitName, numbers: range, seed: int, progress: ProgressBar
) -> None:
    generator = _generator(seed, name, "video")
    rows, captions, scripts = [], [], []
    for number, plan in zip(numbers, plan_recordings(len(numbers), generator), strict=True):
        own = _generator(seed, name, "video", 1 + number)
        session, truth = perform(plan, POOLS[name], own)
        path = split.recordings / f"video{number}.mp4"
        write_recording(session, path)
        app = session.screen.app_name.lower()
        rows += video_rows(path.stem, truth, app)
        captions.append(caption_row(path.stem, truth, own))
        scripts.append(_script_row(path, session, truth))
        progress.update()
    _write_rows(split.video_qa, without_surplus(rows, generator))
    _write_rows(split.captions, captions)
    _write_rows(split.actions, scripts)


def _script_row(path: Path, session: Session, truth: Truth) -> dict[str, Any]:
    return {
        "video_id": path.stem,
        "file": path.name,
        "app": session.screen.app_name.lower(),
        "bug_type": truth.problem,
        "bug_time": truth.bug_seconds,
        "width": SCREEN_WIDTH,
        "height": SCREEN_HEIGHT,
        "fps": session.fps,
        "frames": session.num_frames,
        "duration": round(session.seconds, 3),
        "theme": "dark" if truth.plan.is_dark else "light",
        "touch_dot": truth.plan.dot,
        "actions": [action.to_json() for action in session.actions],
    }


def _write_screens(
    split: SyntheticSplit, name: SplitName, numbers: range, seed: int, progress: ProgressBar
) -> None:
    generator = _generator(seed, name, "image")
    rows = []
    for number, still in zip(numbers, draw_stills(len(numbers), POOLS[name], generator), strict=True):
        _, png = cv2.imencode(".png", cv2.cvtColor(still.image, cv2.COLOR_RGB2BGR))
        atomic_write(split.screens / f"{number}.png", png.tobytes())
        rows += image_rows(number, still)
        progress.update()
    _write_rows(split.image_qa, without_surplus(rows, generator))


def _write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    atomic_write(path, "".join(json.dumps(row) + "\n" for row in rows))
