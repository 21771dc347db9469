"""Where predictions lie and what they answer: what `evaluate` and `report` start from."""

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
    """A predictions file with what is known of its origin.

    Attributes:
        renamed: id in the annotations -> id in the stores, where they differ.
    """

    predictions: str
    run: str | None
    data: tuple[str, ...]
    renamed: Mapping[str, str]


def predictions_in_file(predictions: Path, run: Path | None) -> PredictionSource:
    """What `infer` noted beside the file, if it was made by `infer`."""
    if not predictions.is_file():
        raise DataError(f"{predictions} is no file", "make one: clipbug infer")
    note = predictions.with_name("inference.json")
    inferred = read_note(note)
    origin = inferred.get("run")
    known_run = str(run) if run is not None else origin if origin and Path(origin).exists() else None
    return noted(inferred, predictions, known_run)


def noted(inferred: Mapping[str, Any], predictions: Path, run: str | None) -> PredictionSource:
    """Return the source of a predictions file by the note that `infer` has left next to it."""
    return PredictionSource(
        str(predictions), run, tuple(inferred.get("data", ())), inferred.get("renamed", {})
    )


def task_of_file(path: Path) -> str:
    """Return the task whose annotation files look like this one.

    Raises:
        DataError: it is of no known family.
    """
    family = detect_family(path)
    if family is None:
        raise DataError(f"{path} is of no known family", "formats: docs/your-own-data.md")
    return task_of_family(family).task_name()
