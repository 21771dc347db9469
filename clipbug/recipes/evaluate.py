"""`clipbug evaluate`: scores of a run or a predictions file, beside baselines and ceilings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.errors import DataError
from clipbug.recipes.prediction_source import (
    predictions_in_file,
    predictions_of_run,
    read_predictions,
    task_of_file,
)
from clipbug.recipes.rows import DataFormat, read_records
from clipbug.recipes.run_folder import RunFolder
from clipbug.recipes.scoring import score_predictions
from clipbug.recipes.storage import Storage
from clipbug.runtime.files import atomic_write


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Scores as the object that `evaluate --json` prints (docs/cli.md)."""

    scores: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return dict(self.scores)


def evaluate(
    *,
    storage: Path,
    run: Path | None = None,
    predictions: Path | None = None,
    data: Path | None = None,
    data_format: DataFormat | None = None,
) -> EvaluationReport:
    """Score predictions against the answers of `data`.

    Args:
        storage: storage root.
        run: run folder; default: the newest. Its newest predictions (for `data`) are scored; without any,
            they are made.
        predictions: a predictions.jsonl to score instead, of any origin.
        data: annotation file with answers; default: the file that was inferred on.
        data_format: how to read it; default: as the run read its own files.

    Raises:
        ClipbugError: no such file; a line that is no JSON; no answers to score against.
    """
    if predictions is None:
        folder = RunFolder.open(run) if run is not None else RunFolder.newest(Storage(storage))
        source = predictions_of_run(folder, storage, data)
    else:
        source = predictions_in_file(predictions, run)
    files = (data,) if data is not None else tuple(map(Path, source.data))
    if not files:
        raise DataError(
            f"nothing says which answers belong to {source.predictions}",
            "name the annotation file with --data",
        )
    run_folder = None if source.run is None else RunFolder.open(Path(source.run))
    answers = None if run_folder is None else run_folder.answers()
    rows = read_predictions(Path(source.predictions))
    task = run_folder.config().task.name if run_folder is not None else task_of_file(files[0])
    read_as = "auto" if run_folder is None else run_folder.config().data.format
    scores = score_predictions(
        rows,
        read_records(files, task, data_format=data_format or read_as),
        task_name=task,
        answers=None if answers is None else answers.answers,
        training_answers=None if run_folder is None else run_folder.training_answers(),
    )
    report = EvaluationReport({**scores, "predictions": source.predictions, "data": list(map(str, files))})
    atomic_write(Path(source.predictions).with_name("scores.json"), json.dumps(report.to_json(), indent=1))
    return report
