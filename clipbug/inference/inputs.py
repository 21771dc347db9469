"""What an inference finds before a model is loaded: the run, its weights, annotation files and media."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from clipbug.builders.records import asked_task, open_media
from clipbug.config import RunConfig
from clipbug.config.inference import InferenceSettings
from clipbug.config.task import find_task
from clipbug.data.annotations import detect_family
from clipbug.data.annotations.duplicates import is_duplicates_file
from clipbug.data.annotations.families import family_of
from clipbug.data.media import MediaSource
from clipbug.errors import DataError
from clipbug.inference.settings import run_config
from clipbug.workspace.run_folder import RunFolder
from clipbug.workspace.storage import Storage, annotation_files, split_of

PATIENCE = timedelta(days=1)
"""How long a process waits for the others: shares of many recordings do not take equally long."""


@dataclass(frozen=True, slots=True)
class InferenceInputs:
    """The run and the files of one inference.

    Attributes:
        settings: of the call.
        folder: of the run.
        config: of the run, with what the settings change.
        weights: of the step.
        files: annotation files.
        media: source of the recordings and images.
        stores: that `media` reads from.
        asked: the task whose rows the files hold; one that the run's model can do.
        are_duplicates: whether the file says which recordings show the same bug, which any model can be
            evaluated on; `asked` is then the run's own task.
    """

    settings: InferenceSettings
    folder: RunFolder
    config: RunConfig
    weights: Path
    files: tuple[Path, ...]
    media: MediaSource
    stores: tuple[str, ...]
    asked: str
    are_duplicates: bool

    @property
    def ask_for_rankings(self) -> bool:
        """Whether the results are rankings of recordings instead of answers."""
        return self.are_duplicates or find_task(self.asked).ranks_recordings


def find_inputs(storage: Storage, settings: InferenceSettings) -> InferenceInputs:
    """Find the run, its weights, the annotation files and the stores.

    Raises:
        ClipbugError: no such run, step, data or media, or a setting that the run does not allow.
    """
    folder = RunFolder.open(settings.run) if settings.run is not None else RunFolder.newest(storage)
    config = run_config(folder, settings)
    weights = folder.weights(settings.step)
    files = (settings.data,) if settings.data is not None else default_data(config)
    stores = tuple(map(str, settings.media)) or _stores(config, storage)
    are_duplicates = is_duplicates_file(Path(files[0]))
    return InferenceInputs(
        settings=settings,
        folder=folder,
        config=config,
        weights=weights,
        files=files,
        media=open_media(stores, storage),
        stores=tuple(str(Path(store).resolve()) for store in stores),
        asked=config.task.name if are_duplicates else asked_task(config.task.name, files),
        are_duplicates=are_duplicates,
    )


def default_data(config: RunConfig) -> tuple[Path, ...]:
    """Return the test files next to the training files, else the validation files.

    Raises:
        DataError: there are neither.
    """
    folders = sorted({Path(path).parent for path in config.data.train})
    family = family_of(config.task.name, config.data.format)
    tests = [
        file
        for folder in folders
        for file in annotation_files(folder)
        if file.parent == folder and split_of(file) == "test" and detect_family(file) == family
    ]
    files = tests or [Path(path) for path in config.data.val]
    if not files:
        raise DataError(
            "the run has no validation file, and there is no test file next to its training file",
            "Name one with --data.",
        )
    return tuple(files)


def _stores(config: RunConfig, storage: Storage) -> tuple[str, ...]:
    """Return the run's stores if they still exist, else those of the storage: a run folder can move."""
    named = config.data.media
    return (
        named if named and all(Path(path).exists() for path in named) else tuple(map(str, storage.stores()))
    )


def result_settings(inputs: InferenceInputs) -> dict[str, Any]:
    """Return everything that answers and rankings depend on; what only affects speed is left out."""
    return {
        "weights": _fingerprint(inputs.weights),
        "data": [_fingerprint(Path(file)) for file in inputs.files],
        "config": inputs.config.model_dump(mode="json", exclude={"eval": {"batch_size"}, "train": True}),
        "precision": inputs.settings.precision or inputs.config.precision,
    }


def _fingerprint(file: Path) -> str:
    """Return the path and the hash of a file."""
    with file.open("rb") as content:
        return f"{file.resolve()} {hashlib.file_digest(content, 'sha256').hexdigest()}"
