"""Find predictions and the annotation files that they answer, for `evaluate` and `report`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.config.task import task_of_family
from clipbug.data.annotations import detect_family
from clipbug.errors import DataError
from clipbug.runtime.json_reading import read_note

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PredictionSource:
    """A predictions file and its origin.

    Attributes:
        renamed: id in the annotations -> id in the stores, if they differ.
    """

    predictions: str
    run: str | None
    data: tuple[str, ...]
    renamed: Mapping[str, str]


def predictions_in_file(predictions: Path, run: Path | None) -> PredictionSource:
    """Return the source of a predictions file, using the note of `infer` next to it if there is one.

    Args:
        predictions: the predictions file.
        run: the run that made it; default: the run in the note.

    Returns:
        The source; its origin is unknown if another program made the file.

    Raises:
        DataError: the file does not exist.
    """
    if not predictions.is_file():
        raise DataError(f"{predictions} is not a file", "create one: clipbug infer")
    note = predictions.with_name("inference.json")
    inferred = read_note(note)
    origin = inferred.get("run")
    known_run = str(run) if run is not None else origin if origin and Path(origin).exists() else None
    return noted(inferred, predictions, known_run)


def noted(inferred: Mapping[str, Any], predictions: Path, run: str | None) -> PredictionSource:
    """Return the source of a predictions file from the note that `infer` wrote next to it."""
    return PredictionSource(
        str(predictions), run, tuple(inferred.get("data", ())), inferred.get("renamed", {})
    )


def task_of_file(path: Path) -> str:
    """Return the task that fits the family of an annotation file.

    Args:
        path: the annotation file.

    Returns:
        The name of the task.

    Raises:
        DataError: the family of the file is unknown.
    """
    family = detect_family(path)
    if family is None:
        raise DataError(f"{path} has an unknown annotation format", "formats: docs/your-own-data.md")
    return task_of_family(family).task_name()
