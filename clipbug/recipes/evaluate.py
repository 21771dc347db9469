"""`clipbug evaluate`: scores of a run or a predictions file, beside baselines and ceilings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.annotations import detect_family
from clipbug.errors import DataError
from clipbug.recipes.assembly import read_records
from clipbug.recipes.infer import infer
from clipbug.recipes.run_folder import RunFolder
from clipbug.recipes.scoring import score_predictions
from clipbug.recipes.storage import FAMILY_OF_TASK, Storage
from clipbug.runtime.files import atomic_write


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Scores as the object that `evaluate --json` prints (docs/cli.md)."""

    scores: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return dict(self.scores)


def evaluate(
    *, storage: Path, run: Path | None = None, predictions: Path | None = None, data: Path | None = None
) -> EvaluationReport:
    """Score predictions against the answers of `data`.

    Args:
        storage: storage root.
        run: run folder; default: the newest. Its newest predictions (for `data`) are scored; without any,
            they are made.
        predictions: a predictions.jsonl to score instead, of any origin.
        data: annotation file with answers; default: the file that was inferred on.

    Raises:
        ClipbugError: no such file; a line that is no JSON; no answers to score against.
    """
    if predictions is None:
        folder = RunFolder.open(run) if run is not None else RunFolder.newest(Storage(storage))
        source = _predictions_of(folder, storage, data)
    else:
        source = _source_of(predictions, run)
    files = (data,) if data is not None else tuple(map(Path, source.data))
    if not files:
        raise DataError(
            f"nothing says which answers belong to {source.predictions}",
            "name the annotation file with --data",
        )
    run_folder = None if source.run is None else RunFolder.open(Path(source.run))
    answers = None if run_folder is None else run_folder.answers()
    rows = _read_predictions(Path(source.predictions))
    task = run_folder.config().task.name if run_folder is not None else _task_of(files[0])
    scores = score_predictions(
        rows,
        read_records(files, task),
        task_name=task,
        answers=None if answers is None else answers.answers,
        training_answers=None if run_folder is None else run_folder.training_answers(),
    )
    report = EvaluationReport({**scores, "predictions": source.predictions, "data": list(map(str, files))})
    atomic_write(Path(source.predictions).with_name("scores.json"), json.dumps(report.to_json(), indent=1))
    return report


@dataclass(frozen=True, slots=True)
class _Source:
    """A predictions file with what is known of its origin."""

    predictions: str
    run: str | None
    data: tuple[str, ...]


def _predictions_of(folder: RunFolder, storage: Path, data: Path | None) -> _Source:
    """The run's newest predictions (for `data`), made now if there are none."""
    notes = sorted(folder.path.glob("predictions/*/inference.json"), key=lambda file: file.stat().st_mtime_ns)
    for note in reversed(notes):
        inferred = json.loads(note.read_text(encoding="utf-8"))
        if data is None or inferred["data"] == [str(data.resolve())]:
            return _Source(
                str(note.with_name("predictions.jsonl")), str(folder.path), tuple(inferred["data"])
            )
    made = infer(storage=storage, run=folder.path, data=data)
    return _Source(made.predictions, str(folder.path), made.data)


def _source_of(predictions: Path, run: Path | None) -> _Source:
    """What `infer` noted beside the file, if it was made by `infer`."""
    if not predictions.is_file():
        raise DataError(f"{predictions} is no file", "make one: clipbug infer")
    note = predictions.with_name("inference.json")
    inferred = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    origin = inferred.get("run")
    known_run = str(run) if run is not None else origin if origin and Path(origin).exists() else None
    return _Source(str(predictions), known_run, tuple(inferred.get("data", ())))


def _read_predictions(path: Path) -> list[dict[str, Any]]:
    rows = []
    # only "\n" ends a line: a question may hold other characters that splitlines() would break at
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}:{number} is no JSON: {error}", "make the file anew: clipbug infer"
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{path}:{number} is no JSON object: {line[:80]}", "one object per line is expected"
            )
        rows.append(row)
    return rows


def _task_of(path: Path) -> str:
    family = detect_family(path)
    if family is None:
        raise DataError(f"{path} is of no known family", "formats: docs/your-own-data.md")
    return next(task for task, name in FAMILY_OF_TASK.items() if name == family)
