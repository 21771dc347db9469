"""The storage folder: default location of stores, annotation files and runs.

storage/
  vis_db/<name>/              stores made by `clipbug ingest`
  txt_db/<dataset>/*          annotation files (.jsonl, .json, .csv) with the split in the name: "train",
                              "val" or "test"
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
    """Return the split of an annotation file from its name ("vqa_k_trainval.jsonl" -> "train"), or None."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    for split, names in _SPLIT_WORDS.items():
        if any(word in names for word in words):
            return split
    return None


def annotation_files(folder: Path) -> list[Path]:
    """Return all files under a folder that may be annotation files, sorted."""
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())


@dataclass(frozen=True, slots=True)
class FoundData:
    """Annotation files of one data set in the storage."""

    train: tuple[Path, ...]
    val: tuple[Path, ...]
    test: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Storage:
    """Paths under a storage root. Reading them creates nothing."""

    root: Path

    @property
    def stores_dir(self) -> Path:
        """Return the folder of the stores."""
        return self.root / "vis_db"

    @property
    def annotations_dir(self) -> Path:
        """Return the folder of the annotation files."""
        return self.root / "txt_db"

    def runs_folder(self, task: str) -> Path:
        """Return the folder of the runs of a task."""
        return self.root / ("pretrained" if find_task(task).command == "pretrain" else "finetune")

    def stores(self) -> list[Path]:
        """Return all stores, sorted."""
        return sorted(file.parent for file in self.stores_dir.rglob("data.mdb"))

    def runs(self) -> list[Path]:
        """Return all run directories, newest first."""
        configs = [
            file for kind in ("finetune", "pretrained") for file in (self.root / kind).glob("*/config.yaml")
        ]
        return [
            file.parent for file in sorted(configs, key=lambda file: file.stat().st_mtime_ns, reverse=True)
        ]

    def find_data(self, task: str, family: Family | None = None) -> FoundData:
        """Return the only data set under txt_db that has a training file for a task.

        Args:
            task: name of the task.
            family: annotation family to search for; default: that of the task.

        Returns:
            Its files by split.

        Raises:
            DataError: there is no such data set, or more than one.
        """
        found = self._data_sets(family or find_task(task).family)
        if not found:
            raise DataError(
                f"no training file for task {task} under {self.annotations_dir}", self._how_to_add_data(task)
            )
        if len(found) > 1:
            listed = "\n".join(f"  --train {' '.join(map(str, data.train))}" for data in found.values())
            raise DataError(
                f"{len(found)} data sets under {self.annotations_dir} fit task {task}",
                f"choose one:\n{listed}",
            )
        return next(iter(found.values()))

    def _data_sets(self, family: Family) -> dict[Path, FoundData]:
        by_folder: dict[Path, list[Path]] = {}
        for file in annotation_files(self.annotations_dir):
            if split_of(file) is not None and detect_family(file) == family:
                by_folder.setdefault(file.parent, []).append(file)
        found = {folder: _by_split(files) for folder, files in by_folder.items()}
        return {folder: data for folder, data in found.items() if data.train}

    def _how_to_add_data(self, task: str) -> str:
        existing = [file.relative_to(self.root) for file in annotation_files(self.annotations_dir)]
        listed = (
            f"annotation files there: {', '.join(map(str, existing))}\n"
            if existing
            else "there are no annotation files\n"
        )
        return (
            f"{listed}add a file such as {self.annotations_dir}/mydata/train.jsonl, or give one:"
            f" clipbug {find_task(task).training_command()} --train FILE.jsonl"
            " (formats: docs/your-own-data.md; example: clipbug demo --keep storage)"
        )


def _by_split(files: Sequence[Path]) -> FoundData:
    by_split: dict[Split, list[Path]] = {"train": [], "val": [], "test": []}
    for file in files:
        split = split_of(file)
        assert split is not None, "callers pass only files of a known split"
        by_split[split].append(file)
    return FoundData(tuple(by_split["train"]), tuple(by_split["val"]), tuple(by_split["test"]))
