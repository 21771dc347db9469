"""What an inference works on: the run, its weights, the files to answer, and where their media is."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from clipbug.builders.records import asked_task, open_media
from clipbug.config import RunConfig
from clipbug.config.data import DataFormat
from clipbug.config.task import find_task
from clipbug.data.annotations import detect_family
from clipbug.data.annotations.duplicates import is_duplicates_file
from clipbug.data.annotations.families import family_of
from clipbug.data.media import MediaSource
from clipbug.errors import DataError
from clipbug.workspace.run_folder import RunFolder
from clipbug.workspace.storage import Storage, annotation_files, split_of

PATIENCE = timedelta(days=1)
"""Shares of many recordings do not take equally long, on machines that are not equally fast."""


@dataclass(frozen=True, slots=True)
class InferenceInputs:
    """Everything that the files say, before a model is loaded.

    Attributes:
        config: of the run, with what the call overrides.
        weights: of the step.
        files: annotation files.
        stores: that `media` reads from.
        asked: the task of their rows, which the run's model can do.
        are_duplicates: whether they say which recordings show the same bug, which any model can be evaluated
            on; `asked` is then the run's own task.
    """

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


def find_inputs(
    storage: Storage,
    *,
    run: Path | None,
    step: str,
    data: Path | None,
    media: Sequence[Path],
    data_format: DataFormat | None,
    aliases: Path | None,
    allow_missing: bool,
    num_clips: int | None,
    batch_size: int | None,
) -> InferenceInputs:
    """Arguments and errors as of `infer`."""
    folder = RunFolder.open(run) if run is not None else RunFolder.newest(storage)
    config = _with_overrides(folder.self_contained_config(), media, num_clips, batch_size)
    config = _with_reading(config, data_format, aliases, allow_missing)
    weights = folder.weights(step)
    files = (data,) if data is not None else default_data(config)
    stores = _stores(config, storage) if not media else tuple(map(str, media))
    media_source = open_media(stores, storage)
    absolute = tuple(str(Path(store).resolve()) for store in stores)
    are_duplicates = is_duplicates_file(Path(files[0]))
    asked = config.task.name if are_duplicates else asked_task(config.task.name, files)
    return InferenceInputs(folder, config, weights, files, media_source, absolute, asked, are_duplicates)


def default_data(config: RunConfig) -> tuple[Path, ...]:
    """The test files beside the training files, else the validation files.

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
            "the run has no validation file and there is no test file beside its training file",
            "name one with --data",
        )
    return tuple(files)


def _with_overrides(
    config: RunConfig, media: Sequence[Path], num_clips: int | None, batch_size: int | None
) -> RunConfig:
    evaluation = {
        "num_clips": num_clips or config.eval.num_clips,
        "batch_size": batch_size or config.eval.batch_size,
    }
    data = {"media": tuple(map(str, media)) or config.data.media}
    return config.model_copy(
        update={
            "eval": config.eval.model_copy(update=evaluation),
            "data": config.data.model_copy(update=data),
        }
    )


def _with_reading(
    config: RunConfig, data_format: DataFormat | None, aliases: Path | None, allow_missing: bool
) -> RunConfig:
    reading = {
        "format": data_format or config.data.format,
        "aliases": config.data.aliases if aliases is None else str(aliases),
        "allow_missing": allow_missing or config.data.allow_missing,
    }
    return config.model_copy(update={"data": config.data.model_copy(update=reading)})


def _stores(config: RunConfig, storage: Storage) -> tuple[str, ...]:
    """The run's stores if they are still there, else those of the storage: a run folder can move."""
    named = config.data.media
    return (
        named if named and all(Path(path).exists() for path in named) else tuple(map(str, storage.stores()))
    )


def result_settings(inputs: InferenceInputs, *, precision: str | None) -> dict[str, Any]:
    """Return what answers and rankings depend on; `precision` as the call has it."""
    return {
        "weights": _fingerprint(inputs.weights),
        "data": [_fingerprint(Path(file)) for file in inputs.files],
        "config": inputs.config.model_dump(mode="json", exclude={"eval": {"batch_size"}, "train": True}),
        "precision": precision or inputs.config.precision,
    }


def _fingerprint(file: Path) -> str:
    """Changes when the file does."""
    with file.open("rb") as content:
        return f"{file.resolve()} {hashlib.file_digest(content, 'sha256').hexdigest()}"
