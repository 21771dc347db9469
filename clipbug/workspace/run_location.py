"""Resolve the data paths and the run directory of a training, and whether it resumes a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from clipbug.config import RunConfig
from clipbug.config.data import ValDataset
from clipbug.data.annotations.families import family_of
from clipbug.errors import CheckpointError, DataError
from clipbug.runtime.files import existing_path
from clipbug.workspace.run_folder import RunFolder, config_difference
from clipbug.workspace.storage import Storage

_Dataset = TypeVar("_Dataset", bound=ValDataset)
Resume = Literal["auto", "required", "never"]


def resolve_data(config: RunConfig, storage: Storage) -> RunConfig:
    """Resolve the data paths of a config; files that it does not name are searched for in the storage.

    Args:
        config: the config of the run.
        storage: the storage to search.

    Returns:
        The config with absolute paths.

    Raises:
        DataError: a named file is missing, or the storage has no data for the task.
    """
    train, val = config.data.train, config.data.val
    if not train and not config.data.train_datasets:
        found = storage.find_data(config.task.name, family_of(config.task.name, config.data.format))
        train = tuple(map(str, found.train))
        val = val or tuple(map(str, found.val))
    data = config.data.model_copy(
        update={
            "train": tuple(map(_existing, train)),
            "val": tuple(map(_existing, val)),
            "media": tuple(map(_existing, config.data.media or storage.stores())),
            "train_datasets": tuple(map(_with_existing_paths, config.data.train_datasets)),
            "val_datasets": tuple(map(_with_existing_paths, config.data.val_datasets)),
            **{
                name: None if path is None else _existing(path)
                for name, path in (("answers", config.data.answers), ("aliases", config.data.aliases))
            },
        }
    )
    return config.model_copy(update={"data": data})


def _with_existing_paths(dataset: _Dataset) -> _Dataset:
    paths = {
        "files": tuple(map(_existing, dataset.files)),
        "media": tuple(map(_existing, dataset.media)),
    }
    return dataset.model_copy(update=paths)


def _existing(path: str | Path) -> str:
    found = existing_path(path)
    if found is None:
        raise DataError(f"{path} does not exist", "check the path, or omit it to search the storage")
    return str(found.resolve())


@dataclass(frozen=True, slots=True)
class RunLocation:
    """The run directory of a training.

    Attributes:
        folder: the run directory.
        is_begun: whether it contains a run already.
        changes: settings that differ from the stored config of that run.
    """

    folder: RunFolder
    is_begun: bool
    changes: tuple[str, ...] = ()


def locate_run(
    config: RunConfig, storage: Storage, *, output: Path | None, resume: Resume, accept_changes: bool = False
) -> RunLocation:
    """Choose the run directory: `output`, else the newest unfinished run of the same config, else a new one.

    Args:
        config: the resolved config.
        storage: storage to search for runs.
        output: run directory that the user gave.
        resume: whether to resume an unfinished run.
        accept_changes: resume the run in `output` even if its config differs.

    Returns:
        The run directory, and whether it contains a run already.

    Raises:
        CheckpointError: `output` contains a run with another config; there is nothing to resume under
            "required", or something under "never".
    """
    if output is not None:
        return _named_place(config, output, resume, accept_changes)
    begun = None if resume == "never" else _unfinished(config, storage)
    if begun is not None:
        return RunLocation(begun, is_begun=True)
    if resume == "required":
        raise CheckpointError(
            f"no unfinished run with this config under {storage.runs_folder(config.task.name)}",
            "start one with --resume auto, or give the run directory with --output",
        )
    return RunLocation(RunFolder(_free_folder(config, storage)), is_begun=False)


def _named_place(config: RunConfig, output: Path, resume: Resume, accept_changes: bool) -> RunLocation:
    if not (output / "config.yaml").exists():
        if resume == "required":
            raise CheckpointError(f"{output} contains no run to resume", "start one with --resume auto")
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise CheckpointError(
                f"{output} exists and is not a run directory", "choose another folder with --output"
            )
        return RunLocation(RunFolder(output), is_begun=False)
    folder = RunFolder.open(output)
    if resume == "never":
        raise CheckpointError(
            f"{output} already contains a run", "choose another --output, or resume it with --resume auto"
        )
    difference = config_difference(folder.config(), config)
    if not accept_changes:
        refuse_changes(folder, difference, what="settings")
    return RunLocation(folder, is_begun=True, changes=tuple(difference))


def refuse_changes(folder: RunFolder, changes: Sequence[str], *, what: str) -> None:
    """Refuse to resume a run with a changed config or changed data.

    Args:
        folder: the run directory.
        changes: one line per change.
        what: "settings" or "data".

    Raises:
        CheckpointError: there are changes.
    """
    if changes:
        lines = "\n".join(f"  {line}" for line in changes)
        raise CheckpointError(
            f"{folder.path} was started with different {what}:\n{lines}",
            "revert them to resume this run, start a new one with another --output or --resume never, or "
            "resume with the changes: --accept-changes",
        )


def _unfinished(config: RunConfig, storage: Storage) -> RunFolder | None:
    for path in storage.runs():
        folder = RunFolder(path)
        is_open = path.parent == storage.runs_folder(config.task.name) and not folder.summary.exists()
        if is_open and not config_difference(folder.config(), config):
            return folder
    return None


def _free_folder(config: RunConfig, storage: Storage) -> Path:
    parent, name = storage.runs_folder(config.task.name), config.task.name.replace("_", "-")
    number = 1
    while (parent / f"{name}-{number:03d}").exists():
        number += 1
    return parent / f"{name}-{number:03d}"
