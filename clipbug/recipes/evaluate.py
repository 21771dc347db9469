"""`clipbug evaluate`: score a run or a predictions file, and compare with baselines and ceilings."""

import logging
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipbug.builders.records import asked_task, open_media, read_records
from clipbug.config import RunConfig
from clipbug.config.data import DataFormat
from clipbug.config.inference import InferenceSettings
from clipbug.config.task import TASKS, find_task
from clipbug.data.annotations.duplicates import is_duplicates_file
from clipbug.data.records import ChoiceRecord
from clipbug.errors import DataError
from clipbug.evaluation.answers import labelled_rows, score_predictions
from clipbug.evaluation.predictions_file import read_predictions
from clipbug.evaluation.rankings import evaluate_duplicates, evaluate_retrieval
from clipbug.evaluation.scores import Scores
from clipbug.inference.rankings import SCORES_NAME
from clipbug.metrics.choice_baselines import TrainingChoices
from clipbug.recipes.infer import infer
from clipbug.runtime.files import WriteError, atomic_write, can_write
from clipbug.runtime.json_reading import read_note
from clipbug.runtime.json_text import json_text
from clipbug.workspace.predictions import PredictionSource, noted, predictions_in_file, task_of_file
from clipbug.workspace.run_folder import RunFolder
from clipbug.workspace.storage import Storage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Scores, with the predictions and annotation files that they are of."""

    scores: Scores
    predictions: str
    data: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints (docs/cli.md)."""
        return {**self.scores.to_json(), "predictions": self.predictions, "data": list(self.data)}


def evaluate(
    *,
    storage: Path,
    run: Path | None = None,
    predictions: Path | None = None,
    data: Path | None = None,
    media: Sequence[Path] = (),
    data_format: DataFormat | None = None,
) -> EvaluationReport:
    """Score predictions against the answers of `data`.

    Args:
        storage: storage root.
        run: run folder; default: the newest. Its newest predictions (for `data`) are scored; without any,
            they are made first.
        predictions: a predictions.jsonl to score instead, of any origin.
        data: annotation file with answers; default: the file that was inferred on.
        media: stores that predictions are made on where there are none; default: as of `infer`.
        data_format: how to read it; default: as the run read its own files.

    Raises:
        DataError: nothing says which answers belong to the predictions.
        ClipbugError: no such file; a line that is no JSON; no answers to score against.
    """
    if media:
        open_media(media, Storage(storage))
    if predictions is None:
        folder = RunFolder.open(run) if run is not None else RunFolder.newest(Storage(storage))
        if data is not None:
            _refuse_without_answers(folder.config(), data, data_format)
        source = predictions_of_run(folder, storage, data, media)
    else:
        if media:
            logger.info("--media is not needed: %s is there already", predictions)
        source = predictions_in_file(predictions, run)
    files = (data,) if data is not None else tuple(map(Path, source.data))
    if not files:
        raise DataError(
            f"nothing says which answers belong to {source.predictions}",
            "name the annotation file with --data",
        )
    run_folder = None if source.run is None else RunFolder.open(Path(source.run))
    scores = _scores(source, run_folder, files, data_format, is_named=predictions is not None)
    report = EvaluationReport(scores, source.predictions, tuple(map(str, files)))
    _keep(report, Path(source.predictions).with_name("scores.json"))
    return report


def _keep(report: EvaluationReport, file: Path) -> None:
    """Write the scores next to the predictions; a run that cannot be written is scored all the same."""
    try:
        atomic_write(file, json_text(report.to_json(), indent=1))
    except WriteError as error:
        logger.warning("the scores are not kept: %s", error.message)


def _refuse_without_answers(config: RunConfig, data: Path, data_format: DataFormat | None) -> None:
    """Raise DataError where there is nothing to score against, before a model is run."""
    if is_duplicates_file(data):
        return
    task = asked_task(config.task.name, [data])
    if find_task(task).ranks_recordings:
        return
    read_as = data_format or (config.data.format if task == config.task.name else "auto")
    labelled_rows(read_records([data], task, data_format=read_as), find_task(task))


def _scores(
    source: PredictionSource,
    run: RunFolder | None,
    files: Sequence[Path],
    data_format: DataFormat | None,
    *,
    is_named: bool,
) -> Scores:
    """Score answers against labels, or rankings against what belongs together, as the files ask for.

    Args:
        source: predictions.jsonl, of answers or rankings.
        run: made the predictions, if it is known.
        files: annotations.
        data_format: how to read them; None: as the run read its own files.
        is_named: whether the user named this very file; else the scores that `infer` wrote next to it are
            used, which are complete.
    """
    file = Path(source.predictions)
    config = None if run is None else run.config()
    trained = "" if config is None else config.task.name
    if is_duplicates_file(files[0]):
        return evaluate_duplicates(files[0], _ranking_file(file, is_named))
    task = asked_task(trained or _task_of_rows(files), files)
    read_as = data_format or ("auto" if config is None or task != trained else config.data.format)
    records = read_records(files, task, data_format=read_as)
    if find_task(task).ranks_recordings:
        in_stores = [replace(row, media_id=source.renamed.get(row.media_id, row.media_id)) for row in records]
        return evaluate_retrieval(in_stores, _ranking_file(file, is_named))
    return score_predictions(
        read_predictions(file),
        records,
        task_name=task,
        answers=None if config is None or run is None else _possible_answers(config, run),
        training_answers=None if run is None else run.training_answers(),
        training_choices=_training_choices(config)
        if task == trained and isinstance(records[0], ChoiceRecord)
        else None,
    )


def _task_of_rows(files: Sequence[Path]) -> str:
    """Return the task of rows of unknown origin: questions that are all answered by numbers are counts."""
    task = task_of_file(files[0])
    family = find_task(task).family
    for counting in (one for one in TASKS if one.family == family and one.answers_are_numbers):
        with suppress(DataError):
            read_records(files, counting.task_name())
            return counting.task_name()
    return task


def _ranking_file(file: Path, is_named: bool) -> Path:
    complete = file.with_name(SCORES_NAME)
    return complete if not is_named and complete.exists() else file


def _training_choices(config: RunConfig | None) -> TrainingChoices | None:
    """Return which options were right in training, if the run has such files and they still exist."""
    if config is None or not config.data.train or not all(Path(file).exists() for file in config.data.train):
        return None
    rows = read_records(config.data.train, config.task.name)
    return TrainingChoices(row for row in rows if isinstance(row, ChoiceRecord))


def _possible_answers(config: RunConfig, run: RunFolder) -> Sequence[str] | None:
    """Return what the run's model can answer; None: anything."""
    answers = run.answers()
    return config.task.possible_answers() if answers is None else answers.answers


def predictions_of_run(
    folder: RunFolder, storage: Path, data: Path | None, media: Sequence[Path] = ()
) -> PredictionSource:
    """Return the newest predictions of a run (for `data`, on these stores); make them if there are none."""
    stores = [str(store.resolve()) for store in media]
    notes = sorted(folder.path.glob("predictions/*/inference.json"), key=lambda file: file.stat().st_mtime_ns)
    for note in reversed(notes):
        inferred = read_note(note)
        is_of_data = data is None or inferred["data"] == [str(data.resolve())]
        if is_of_data and (not stores or inferred.get("media") == stores):
            return noted(inferred, note.with_name("predictions.jsonl"), str(folder.path))
    output = _folder_elsewhere(folder.path)
    if output is None and media:  # predictions on other stores stay where they are
        named = "+".join(store.name for store in media)
        output = folder.path / "predictions" / f"{'val' if data is None else data.stem}-best-{named}"
    made = infer(
        InferenceSettings(run=folder.path, data=data, media=tuple(media)), storage=storage, output=output
    )
    return PredictionSource(made.predictions, str(folder.path), made.data, made.renamed)


def _folder_elsewhere(run: Path) -> Path | None:
    """Return a new folder for the predictions of a run that cannot be written, else None."""
    if can_write(run / "predictions"):
        return None
    folder = Path(tempfile.mkdtemp(prefix="clipbug-predictions-"))
    logger.warning("%s cannot be written: predictions go to %s", run, folder)
    return folder
