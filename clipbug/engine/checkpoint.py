"""Checkpoints: folders that are complete or not there, checked before they are used."""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

from clipbug.engine.background import BackgroundWork
from clipbug.engine.state import TrainState
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


def checkpoint_steps(folder: Path) -> list[int]:
    """Steps whose checkpoints are in `folder`, in order; none if there is no such folder."""
    if not folder.is_dir():
        return []
    matches = (
        _FOLDER.fullmatch(path.name) for path in folder.iterdir() if path.is_dir() and not path.is_symlink()
    )
    return sorted(int(match[1]) for match in matches if match)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """All that a checkpoint holds; tensors are the training's own, or copies."""

    weights: Mapping[str, Tensor]
    training: Mapping[str, Any]
    state: TrainState
    scores: Mapping[str, float]


class CheckpointManager:
    """Folders `step-000500` with weights, optimizer and state; links `last` and `best`. One process saves.

    Args:
        folder: of all checkpoints of one run; made by the first save.
        keep_last: newest checkpoints to keep; the best is kept besides.
        in_background: copy everything in memory, and write while the training goes on.
    """

    def __init__(self, folder: Path, *, keep_last: int, in_background: bool = False) -> None:
        self.folder = folder
        self._keep_last = keep_last
        self._background = BackgroundWork() if in_background else None

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, in order."""
        return checkpoint_steps(self.folder)

    def check_room(self, task: Task) -> None:
        """Make sure that the folder can be written and holds what is going to be kept.

        Raises:
            ClipbugError: it cannot, or the disk has too little room.
        """
        weights = sum(value.nbytes for value in task.model.state_dict().values())
        moments = 2 * sum(value.nbytes for value in task.parameters() if value.requires_grad)
        # All that the policy keeps, the best, and one that is being written before an old one goes.
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
        """Write the checkpoint of `state.step`, move the links, and remove checkpoints beyond those to keep.

        In the background this returns when the copy is made and an earlier save is done.

        Raises:
            ClipbugError: the disk is full, the folder cannot be written, for this save or an earlier one in
                the background; older checkpoints are as they were.
        """
        training = {"optimizer": optimizer.state_dict(), "scaler": scaler.state_dict()}
        snapshot = _Snapshot(task.model.state_dict(), training, replace(state), dict(scores))
        if self._background is None:
            self._write(snapshot)
        else:
            self._background.start(partial(self._write, _copied(snapshot)))
        return self._path(state.step)

    def check(self) -> None:
        """Raise what a save in the background has met so far."""
        if self._background is not None:
            self._background.check()

    def finish(self) -> None:
        """Wait for a save in the background, and raise what it met."""
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
        """The newest checkpoint whose files are whole, or None if there is none; warns of each damaged one.

        Raises:
            CheckpointError: there are checkpoints and all are damaged.
        """
        problems = []
        for step in reversed(self.steps()):
            problem = _damage(self._path(step))
            if problem is None:
                return self._path(step)
            logger.warning(
                "checkpoint %s is damaged (%s), so the one before it is used", self._path(step), problem
            )
            problems.append(f"{self._path(step).name}: {problem}")
        if problems:
            message = f"no checkpoint in {self.folder} is whole: {'; '.join(problems)}"
            raise CheckpointError(message, "Start anew with --resume never.")
        return None

    def load(self, path: Path, task: Task, optimizer: Optimizer, scaler: torch.amp.GradScaler) -> TrainState:
        """Bring task, optimizer and scaler to where they were when `path` was saved.

        Raises:
            CheckpointError: there is no such checkpoint, it is damaged, or it belongs to another model.
        """
        if not path.is_dir():
            there = ", ".join(str(step) for step in self.steps()) or "none"
            raise CheckpointError(f"there is no checkpoint {path}", f"Steps in {self.folder}: {there}.")
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
            hint = "Use the config of the run that wrote it, or start anew with --resume never."
            raise CheckpointError(f"checkpoint {path} belongs to another model: {error}", hint) from error
        scaler.load_state_dict(training["scaler"])
        return _read_state(path)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:06d}"

    def _prune(self, state: TrainState) -> None:
        # Newer ones can only be damaged ones that a resumed run went back from: it will replace them.
        past = [step for step in self.steps() if step <= state.step]
        for step in past[: -self._keep_last]:
            if step != state.best_step:
                remove_folder(self._path(step))


def _copied(snapshot: _Snapshot) -> _Snapshot:
    """With every tensor copied to the CPU, so that the training may go on changing its own."""
    return replace(
        snapshot, weights=copy_to_cpu(snapshot.weights), training=tree_map(_copy, dict(snapshot.training))
    )


def _copy(value: Any) -> Any:
    return value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else value


def _read_state(path: Path) -> TrainState:
    content = json.loads((path / STATE).read_text(encoding="utf-8"))
    return TrainState(**{field.name: content[field.name] for field in fields(TrainState)})


def _damage(path: Path) -> str | None:
    """What is wrong with a checkpoint's files, or None."""
    try:
        hashes = json.loads((path / STATE).read_text(encoding="utf-8"))["sha256"]
        _read_state(path)
        changed = [name for name in (WEIGHTS, TRAINING) if _sha256(path / name) != hashes[name]]
    except OSError as error:
        return f"{Path(error.filename).name}: {error.strerror}"
    except (ValueError, KeyError, TypeError) as error:
        return f"{STATE} cannot be read: {error}"
    return f"{', '.join(changed)} changed since it was written" if changed else None


def _moments(optimizer: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of an optimizer's state, by number of the parameter and name."""
    return {
        f"{number}.{name}": value
        for number, values in optimizer.get("state", {}).items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
