"""Checkpoints: folders that are either complete or absent, verified before use."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

from clipbug.errors import CheckpointError
from clipbug.runtime.files import (
    atomic_folder,
    atomic_write,
    check_room,
    remove_folder,
    remove_temporaries,
    replace_link,
)
from clipbug.runtime.tensors import copy_to_cpu, load_tensors, refuse_values, save_tensors
from clipbug.tasks.base import Task

logger = logging.getLogger(__name__)

WEIGHTS, TRAINING, STATE = "model.safetensors", "training.pt", "state.json"
_FOLDER = re.compile(r"step-(\d+)")


@dataclass(slots=True)
class TrainState:
    """Counters and best score, saved as a checkpoint's state.json.

    Attributes:
        step: Completed optimizer steps, including skipped ones.
        position: Micro-batches that each process has consumed.
        best_score: Score of the best validation so far, or None.
        best_step: Step of the best validation so far, or None.
        world_size: Number of processes; with `position` and `batch_size` it determines which data was seen.
        batch_size: Media items in each process's micro-batch.
        skipped_steps: Steps whose update was skipped because of NaN or infinite values.
        validated_step: Last step whose validation is complete; a signal may interrupt a validation.
        meter: Measurements since the last log, so that a resumed run logs the same means.
    """

    step: int = 0
    position: int = 0
    best_score: float | None = None
    best_step: int | None = None
    world_size: int = 1
    batch_size: int = 1
    skipped_steps: int = 0
    validated_step: int = 0
    meter: dict[str, dict[str, float]] = field(default_factory=dict)


def checkpoint_steps(folder: Path) -> list[int]:
    """Return the steps that have a checkpoint in `folder`, sorted; empty if there is no such folder."""
    if not folder.is_dir():
        return []
    matches = (
        _FOLDER.fullmatch(path.name) for path in folder.iterdir() if path.is_dir() and not path.is_symlink()
    )
    return sorted(int(match[1]) for match in matches if match)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Contents of a checkpoint; the tensors are either live or copies."""

    weights: Mapping[str, Tensor]
    training: Mapping[str, Any]
    state: TrainState
    scores: Mapping[str, float]


class BackgroundWork:
    """Runs functions one after another in a thread. Python waits for the last one before it exits."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._work: Future[None] | None = None

    def start(self, function: Callable[[], None]) -> None:
        """Run `function` once the previous one has finished; raise the previous one's error."""
        self.wait()
        self._work = self._pool.submit(function)

    def check(self) -> None:
        """Raise the function's error if it has finished; do not wait."""
        if self._work is not None and self._work.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the function to finish and raise its error."""
        work, self._work = self._work, None
        if work is not None:
            work.result()


class CheckpointManager:
    """Manages folders `step-000500` with weights, optimizer and state, and links `last` and `best`.

    Only one process saves.

    Args:
        folder: Folder of all checkpoints of a run; created by the first save.
        keep_last: How many of the newest checkpoints to keep; the best is kept in addition.
        in_background: Copy everything in memory, and write while training continues.
    """

    def __init__(self, folder: Path, *, keep_last: int, in_background: bool = False) -> None:
        self.folder = folder
        self._keep_last = keep_last
        self._background = BackgroundWork() if in_background else None

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, sorted."""
        return checkpoint_steps(self.folder)

    def check_room(self, task: Task) -> None:
        """Check that the folder is writable and that all checkpoints to be kept will fit.

        Raises:
            ClipbugError: The folder is not writable, or the disk has too little free space.
        """
        weights = sum(value.nbytes for value in task.model.state_dict().values())
        moments = 2 * sum(value.nbytes for value in task.parameters() if value.requires_grad)
        # All that are kept, the best, and the one that is written before an old one is removed.
        missing = max(self._keep_last + 2 - len(self.steps()), 1)
        check_room(self.folder, weights + moments, times=missing)

    def save(
        self,
        task: Task,
        optimizer: Optimizer,
        scaler: torch.amp.GradScaler,
        state: TrainState,
        scores: Mapping[str, float],
    ) -> Path:
        """Write the checkpoint of `state.step`, update the links, and remove old checkpoints.

        When saving in the background, this returns once the copy is made and the previous save has finished.

        Returns:
            Folder of the checkpoint.

        Raises:
            ClipbugError: The disk is full or the folder is not writable, for this save or for an earlier one
                in the background. Older checkpoints are unchanged.
        """
        training = {"optimizer": optimizer.state_dict(), "scaler": scaler.state_dict()}
        snapshot = _Snapshot(task.model.state_dict(), training, replace(state), dict(scores))
        if self._background is None:
            self._write(snapshot)
        else:
            self._background.start(partial(self._write, _copied(snapshot)))
        return self._path(state.step)

    def check(self) -> None:
        """Raise the error of a background save, if there is one."""
        if self._background is not None:
            self._background.check()

    def finish(self) -> None:
        """Wait for a background save and raise its error."""
        if self._background is not None:
            self._background.wait()

    def _write(self, snapshot: _Snapshot) -> None:
        state = snapshot.state
        remove_temporaries(self.folder)
        path = self._path(state.step)
        with atomic_folder(path) as new:
            save_tensors(new / WEIGHTS, snapshot.weights)
            with (new / TRAINING).open("wb") as file:
                torch.save(snapshot.training, file)
            hashes = {name: _sha256(new / name) for name in (WEIGHTS, TRAINING)}
            content = {**asdict(state), "scores": snapshot.scores, "sha256": hashes}
            atomic_write(new / STATE, json.dumps(content, indent=1) + "\n")
        replace_link(self.folder / "last", path.name)
        if state.best_step is not None and self._path(state.best_step).is_dir():
            replace_link(self.folder / "best", self._path(state.best_step).name)
        self._prune(state)

    def latest(self) -> Path | None:
        """Return the newest intact checkpoint, and log a warning for each damaged one.

        Returns:
            Folder of the checkpoint, or None if there is none.

        Raises:
            CheckpointError: All checkpoints are damaged.
        """
        problems = []
        for step in reversed(self.steps()):
            problem = _damage(self._path(step))
            if problem is None:
                return self._path(step)
            logger.warning(
                "checkpoint %s is damaged (%s); falling back to the previous one", self._path(step), problem
            )
            problems.append(f"{self._path(step).name}: {problem}")
        if problems:
            message = f"all checkpoints in {self.folder} are damaged: {'; '.join(problems)}"
            raise CheckpointError(message, "Start over with --resume never.")
        return None

    def load(self, path: Path, task: Task, optimizer: Optimizer, scaler: torch.amp.GradScaler) -> TrainState:
        """Restore task, optimizer and scaler from a checkpoint.

        Returns:
            The training state.

        Raises:
            CheckpointError: There is no such checkpoint, it is damaged, or it belongs to another model.
        """
        if not path.is_dir():
            available = ", ".join(str(step) for step in self.steps()) or "none"
            raise CheckpointError(f"there is no checkpoint {path}", f"Steps in {self.folder}: {available}.")
        problem = _damage(path)
        if problem is not None:
            raise CheckpointError(f"checkpoint {path} is damaged: {problem}")
        training: dict[str, Any] = torch.load(path / TRAINING, map_location="cpu", weights_only=True)
        weights = load_tensors(path / WEIGHTS)
        refuse_values(weights, source=str(path / WEIGHTS))
        refuse_values(_moments(training["optimizer"]), source=str(path / TRAINING))
        try:
            task.model.load_state_dict(weights)
            optimizer.load_state_dict(training["optimizer"])
        except (RuntimeError, ValueError) as error:
            hint = "Use the config of the run that wrote it, or start over with --resume never."
            raise CheckpointError(f"checkpoint {path} belongs to another model: {error}", hint) from error
        scaler.load_state_dict(training["scaler"])
        return _read_state(path)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:06d}"

    def _prune(self, state: TrainState) -> None:
        # Newer checkpoints are damaged ones that the resumed run has skipped; it will replace them.
        past = [step for step in self.steps() if step <= state.step]
        for step in past[: -self._keep_last]:
            if step != state.best_step:
                remove_folder(self._path(step))


def _copied(snapshot: _Snapshot) -> _Snapshot:
    """Copy every tensor to the CPU, so that training can modify its own."""
    return replace(
        snapshot, weights=copy_to_cpu(snapshot.weights), training=tree_map(_copy, dict(snapshot.training))
    )


def _copy(value: Any) -> Any:
    return value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else value


def _read_state(path: Path) -> TrainState:
    content = json.loads((path / STATE).read_text(encoding="utf-8"))
    return TrainState(**{field.name: content[field.name] for field in fields(TrainState)})


def _damage(path: Path) -> str | None:
    """Return what is wrong with a checkpoint's files, or None."""
    try:
        hashes = json.loads((path / STATE).read_text(encoding="utf-8"))["sha256"]
        _read_state(path)
        changed = [name for name in (WEIGHTS, TRAINING) if _sha256(path / name) != hashes[name]]
    except OSError as error:
        return f"{Path(error.filename).name}: {error.strerror}"
    except (ValueError, KeyError, TypeError) as error:
        return f"{STATE} cannot be read: {error}"
    return f"{', '.join(changed)} changed after it was written" if changed else None


def _moments(optimizer: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of an optimizer's state, keyed by parameter number and name."""
    return {
        f"{number}.{name}": value
        for number, values in optimizer.get("state", {}).items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
