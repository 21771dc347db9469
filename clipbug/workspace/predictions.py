"""Where predictions lie and what they answer: what `evaluate` and `report` start from."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.annotations import detect_family
from clipbug.data.annotations.lines import iter_lines
from clipbug.errors import DataError
from clipbug.recipes.infer import infer
from clipbug.runtime.files import can_write
from clipbug.runtime.json_reading import read_note
from clipbug.workspace.run_folder import RunFolder
from clipbug.workspace.storage import FAMILY_OF_TASK

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


def predictions_of_run(
    folder: RunFolder, storage: Path, data: Path | None, media: Sequence[Path] = ()
) -> PredictionSource:
    """The run's newest predictions (for `data`, on these stores), made now if there are none."""
    stores = [str(store.resolve()) for store in media]
    notes = sorted(folder.path.glob("predictions/*/inference.json"), key=lambda file: file.stat().st_mtime_ns)
    for note in reversed(notes):
        inferred = read_note(note)
        is_of_data = data is None or inferred["data"] == [str(data.resolve())]
        if is_of_data and (not stores or inferred.get("media") == stores):
            return _noted(inferred, note.with_name("predictions.jsonl"), str(folder.path))
    output = _folder_elsewhere(folder.path)
    if output is None and media:  # predictions on other stores stay where they are
        named = "+".join(store.name for store in media)
        output = folder.path / "predictions" / f"{'val' if data is None else data.stem}-best-{named}"
    made = infer(storage=storage, run=folder.path, data=data, media=media, output=output)
    return PredictionSource(made.predictions, str(folder.path), made.data, made.renamed)


def _folder_elsewhere(run: Path) -> Path | None:
    """Return a new folder for the predictions of a run that cannot be written, else None."""
    if can_write(run / "predictions"):
        return None
    folder = Path(tempfile.mkdtemp(prefix="clipbug-predictions-"))
    logger.warning("%s cannot be written: predictions go to %s", run, folder)
    return folder


def predictions_in_file(predictions: Path, run: Path | None) -> PredictionSource:
    """What `infer` noted beside the file, if it was made by `infer`."""
    if not predictions.is_file():
        raise DataError(f"{predictions} is no file", "make one: clipbug infer")
    note = predictions.with_name("inference.json")
    inferred = read_note(note)
    origin = inferred.get("run")
    known_run = str(run) if run is not None else origin if origin and Path(origin).exists() else None
    return _noted(inferred, predictions, known_run)


def _noted(inferred: Mapping[str, Any], predictions: Path, run: str | None) -> PredictionSource:
    return PredictionSource(
        str(predictions), run, tuple(inferred.get("data", ())), inferred.get("renamed", {})
    )


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """The objects of a predictions.jsonl, or of one JSON array, as ClipBERT writes results.

    Raises:
        DataError: a line or item that is no JSON object.
    """
    try:
        rows = list(iter_lines(path))
    except DataError as error:
        raise DataError(error.message, "make the file anew: clipbug infer") from error
    bad = next((row for row in rows if row.fields is None), None)
    if bad is not None:
        raise DataError(f"{path}:{bad.place}: {bad.problem}", "make the file anew: clipbug infer")
    return [dict(row.fields) for row in rows if row.fields is not None]


def task_of_file(path: Path) -> str:
    """The task whose annotation files look like this one. Raises DataError if it is of no known family."""
    family = detect_family(path)
    if family is None:
        raise DataError(f"{path} is of no known family", "formats: docs/your-own-data.md")
    return next(task for task, name in FAMILY_OF_TASK.items() if name == family)
