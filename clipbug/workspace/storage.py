"""The storage folder: where stores, annotation files and runs lie when no path is given.

storage/
  vis_db/<name>/              stores made by `clipbug ingest`
  txt_db/<dataset>/*          annotation files (.jsonl, .json, .csv); "train", "val" or "test" in the name
                              says which part
  pretrained/<run>/           runs of `clipbug pretrain`
  finetune/<run>/             runs of `clipbug finetune`
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipbug.config.data import Family
from clipbug.config.task import find_task
from clipbug.data.annotations import detect_family
from clipbug.errors import DataError

Split = Literal["train", "val", "test"]

_SPLIT_WORDS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "trainval", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "heldout"),
}
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")


def split_of(path: Path) -> Split | None:
    """Which part of a data set a file holds, by the words of its name ("vqa_k_trainval.jsonl" -> train)."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    for split, names in _SPLIT_WORDS.items():
        if any(word in names for word in words):
            return split
    return None


def annotation_files(folder: Path) -> list[Path]:
    """All files under a folder that may hold annotations, sorted."""
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())


@dataclass(frozen=True, slots=True)
class FoundData:
    """Annotation files of one data set under the storage."""

    train: tuple[Path, ...]
    val: tuple[Path, ...]
    test: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Storage:
    """Paths under one storage root. Nothing is created by looking."""

    root: Path

    @property
    def visual(self) -> Path:
        """Stores."""
        return self.root / "vis_db"

    @property
    def text(self) -> Path:
        """Annotation files."""
        return self.root / "txt_db"

    def runs_folder(self, task: str) -> Path:
        """Return the folder of the runs of a task."""
        return self.root / ("pretrained" if find_task(task).command == "pretrain" else "finetune")

    def stores(self) -> list[Path]:
        """All stores, sorted."""
        return sorted(file.parent for file in self.visual.rglob("data.mdb"))

    def runs(self) -> list[Path]:
        """All run folders, newest first."""
        configs = [
            file for kind in ("finetune", "pretrained") for file in (self.root / kind).glob("*/config.yaml")
        ]
        return [
            file.parent for file in sorted(configs, key=lambda file: file.stat().st_mtime_ns, reverse=True)
        ]

    def find_data(self, task: str, family: Family | None = None) -> FoundData:
        """The one data set under txt_db that has training rows for `task`, of its own family or another.

        Raises:
            DataError: there is none, or there are several.
        """
        found = self._data_sets(family or find_task(task).family)
        if not found:
            raise DataError(
                f"no training file for task {task} under {self.text}", self._how_to_add_data(task)
            )
        if len(found) > 1:
            listed = "\n".join(f"  --train {' '.join(map(str, data.train))}" for data in found.values())
            raise DataError(
                f"{len(found)} data sets under {self.text} fit task {task}", f"choose one:\n{listed}"
            )
        return next(iter(found.values()))

    def _data_sets(self, family: Family) -> dict[Path, FoundData]:
        by_folder: dict[Path, list[Path]] = {}
        for file in annotation_files(self.text):
            if split_of(file) is not None and detect_family(file) == family:
                by_folder.setdefault(file.parent, []).append(file)
        found = {folder: _by_split(files) for folder, files in by_folder.items()}
        return {folder: data for folder, data in found.items() if data.train}

    def _how_to_add_data(self, task: str) -> str:
        there = [file.relative_to(self.root) for file in annotation_files(self.text)]
        listed = (
            f"annotation files there: {', '.join(map(str, there))}\n"
            if there
            else "there are no annotation files\n"
        )
        return (
            f"{listed}put a file such as {self.text}/mydata/train.jsonl there, or name one:"
            f" clipbug {find_task(task).training_command()} --train FILE.jsonl"
            " (formats: docs/your-own-data.md;"
            " `clipbug demo --keep storage` makes an example)"
        )


def _by_split(files: Sequence[Path]) -> FoundData:
    parts: dict[Split, list[Path]] = {"train": [], "val": [], "test": []}
    for file in files:
        split = split_of(file)
        assert split is not None, "callers keep only files of a known split"
        parts[split].append(file)
    return FoundData(tuple(parts["train"]), tuple(parts["val"]), tuple(parts["test"]))
