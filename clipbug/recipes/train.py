"""`clipbug finetune` and `clipbug pretrain`: one function for every task."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from clipbug.builders.batches import BatchBuilder
from clipbug.builders.cut_texts import warn_of_cut_texts
from clipbug.builders.task_model import TextParts, build_answers, build_text_parts, model_of
from clipbug.builders.training import TrainingData, build_trainer, build_training_task, read_training_data
from clipbug.config import RunConfig
from clipbug.data.loading.bad_items import BadItems
from clipbug.data.loading.batch import UnreadVisual
from clipbug.data.loading.tokenization import load_tokenizer, save_tokenizer
from clipbug.data.records import QuestionRecord, Record
from clipbug.engine.checkpoint import TrainState
from clipbug.errors import ClipbugError
from clipbug.metrics.baselines import TrainingAnswers
from clipbug.models.build import self_contained_config
from clipbug.models.weights.files import read_tensors
from clipbug.models.weights.state import load_tensors
from clipbug.runtime.distributed import (
    Distributed,
    barrier,
    broadcast_object,
    gather_objects,
    joined_processes,
)
from clipbug.runtime.files import atomic_folder, atomic_write, remove_temporaries_of
from clipbug.runtime.json_reading import read_note
from clipbug.runtime.seeding import seed_everything
from clipbug.tasks.base import Task
from clipbug.workspace.fingerprint import data_fingerprint, fingerprint_difference
from clipbug.workspace.provenance import describe_start
from clipbug.workspace.run_folder import RunFolder
from clipbug.workspace.run_location import Resume, RunLocation, locate_run, refuse_changes, resolve_data
from clipbug.workspace.storage import Storage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The result of a training that is finished.

    Attributes:
        score: main validation score of the best checkpoint, or None without validation data.
        bad_items: images and recordings that were left out because they cannot be decoded, with the reason.
    """

    run: str
    task: str
    steps: int
    best_step: int | None
    score: float | None
    metric: str
    training_rows: int
    validation_rows: int
    parameters: int
    seconds: float
    bad_items: tuple[dict[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def train(
    config: RunConfig,
    *,
    storage: Path,
    output: Path | None = None,
    resume: Resume = "auto",
    init: Path | None = None,
    accept_changes: bool = False,
    stop_after: float | None = None,
) -> TrainingReport:
    """Train the task of a config, or resume an unfinished run of the same config.

    Args:
        config: settings; data that it does not name is looked for under `storage`.
        storage: storage root.
        output: run folder; default: a new one under the storage.
        resume: "auto" resumes an unfinished run of the same settings, if there is one; "required" fails
            without one; "never" starts a new run.
        init: run or model folder whose weights (and model settings and tokenizer) to start from.
        accept_changes: resume a run although settings, data or the number of processes have changed.
        stop_after: seconds after which to save and stop; the same command then resumes.

    Raises:
        ClipbugError: for all that a user can cause; what is already written stays usable.
    """
    started = time.monotonic()
    place_of_data = Storage(storage)
    config = resolve_data(config, place_of_data)
    if init is not None:
        config = _with_model_of(RunFolder.open(init), config)
    with joined_processes() as processes:
        place = _agree_on_place(
            partial(
                locate_run, config, place_of_data, output=output, resume=resume, accept_changes=accept_changes
            ),
            processes,
        )
        if place.is_begun and place.folder.summary.exists() and not place.changes:
            logger.info("%s is complete already", place.folder.path)
            return TrainingReport(**read_note(place.folder.summary))
        data = read_training_data(config, place_of_data)
        if not data.val:
            logger.warning(
                "no validation file: the last checkpoint is taken as the best (give one with --val)"
            )
        task, text = _task_of_run(config, place, init, data, processes, accept_changes)
        bad_items = BadItems(config.data.max_bad_items)
        trainer = build_trainer(
            BatchBuilder(config, data.media, text, task, processes, bad_items),
            place.folder,
            data,
            accept_changes=accept_changes,
            stop_after=stop_after,
        )
        state = trainer.fit()
        left_out = gather_objects(list(bad_items.by_id.values()), processes)
        report = replace(_report(place, config, state, task, data, started), bad_items=_listed(left_out))
        if processes.is_main:
            atomic_write(place.folder.summary, json.dumps(report.to_json(), indent=1))
    return report


def _report(
    place: RunLocation, config: RunConfig, state: TrainState, task: Task, data: TrainingData, started: float
) -> TrainingReport:
    return TrainingReport(
        run=str(place.folder.path),
        task=config.task.name,
        steps=state.step,
        best_step=state.best_step,
        score=state.best_score,
        metric=task.main_score,
        training_rows=len(data.train),
        validation_rows=len(data.val),
        parameters=sum(parameter.numel() for parameter in task.parameters()),
        seconds=round(time.monotonic() - started, 1),
    )


def _listed(left_out: Sequence[UnreadVisual]) -> tuple[dict[str, str], ...]:
    """Return each left-out item once, and log it."""
    by_id = {visual.media_id: visual.reason for visual in left_out}
    for reason in by_id.values():
        logger.warning("left out: %s", reason)
    return tuple({"media_id": media_id, "reason": reason} for media_id, reason in by_id.items())


def _agree_on_place(choose: Callable[[], RunLocation], processes: Distributed) -> RunLocation:
    """Let the main process choose the folder, so that all processes use the same one or fail together."""
    place: RunLocation | ClipbugError | None = None
    if processes.is_main:
        try:
            place = choose()
        except ClipbugError as error:
            place = error
    place = broadcast_object(place, processes)
    if isinstance(place, ClipbugError):
        raise place
    assert place is not None, "the main process always sends a place"
    return place


def _with_model_of(source: RunFolder, config: RunConfig) -> RunConfig:
    """Take over model and tokenizer settings: weights only fit those that they were trained with."""
    stored = source.self_contained_config()
    if stored.model != config.model:
        logger.info("model settings are taken from %s", source.path)
    return config.model_copy(update={"model": stored.model, "tokenizer": stored.tokenizer})


def _task_of_run(
    config: RunConfig,
    place: RunLocation,
    init: Path | None,
    data: TrainingData,
    processes: Distributed,
    accept_changes: bool,
) -> tuple[Task, TextParts]:
    """Build the task as it is before the first step, and write the run directory."""
    fingerprint = data_fingerprint(config, [*data.train, *data.val], data.media)
    weights = None if init is None else RunFolder.open(init).weights("best")
    fingerprint["init"] = None if weights is None else str(weights.resolve())
    changes = list(place.changes)
    if place.is_begun:
        data_changes = fingerprint_difference(place.folder.data_fingerprint(), fingerprint)
        if not accept_changes:
            refuse_changes(place.folder, data_changes, what="data")
        changes += data_changes
    seed_everything(config.seed)
    text = _text_parts(config, place, init, data.train)
    if processes.is_main:
        warn_of_cut_texts([*data.train, *data.val], text.tokenizer, config)
    task = build_training_task(config, text, processes.device)
    if (
        init is not None and weights is not None
    ):  # a checkpoint of a begun run comes on top; it may have died before its first
        _load_init(task, weights, RunFolder(init), config, text)
    barrier(processes)  # all have looked before one writes
    if processes.is_main:
        start = describe_start(world_size=processes.world_size, changes=changes)
        _write_folder(config, place, task, text, data, fingerprint, start)
    return task, text


def _write_folder(
    config: RunConfig,
    place: RunLocation,
    task: Task,
    text: TextParts,
    data: TrainingData,
    fingerprint: Mapping[str, Any],
    start: Mapping[str, Any],
) -> None:
    """Create the run directory, completely or not at all; in an existing one, note how the run is resumed."""
    if place.is_begun:
        place.folder.summary.unlink(missing_ok=True)
        place.folder.note_start(config, data=fingerprint, start=start)
        return
    remove_temporaries_of(place.folder.path)
    with atomic_folder(place.folder.path) as path:
        folder = RunFolder(path)
        save_tokenizer(text.tokenizer, folder.tokenizer)
        folder.write_start(
            config,
            model=self_contained_config(config.model, model_of(task)),
            answers=text.answers,
            statistics=_statistics(data.train),
        )
        folder.note_start(config, data=fingerprint, start=start)


def _statistics(records: Sequence[Record]) -> TrainingAnswers | None:
    questions = [record for record in records if isinstance(record, QuestionRecord)]
    return TrainingAnswers.from_records(questions) if questions else None


def _text_parts(
    config: RunConfig, place: RunLocation, init: Path | None, records: Sequence[Record]
) -> TextParts:
    """Load what a begun run or `init` has; make the rest of tokenizer and answers from the rows."""
    if place.is_begun:
        return TextParts(load_tokenizer(place.folder.tokenizer), place.folder.answers())
    if init is None:
        return build_text_parts(config, records)
    return TextParts(load_tokenizer(RunFolder(init).tokenizer), build_answers(config, records))


def _load_init(task: Task, weights: Path, source: RunFolder, config: RunConfig, text: TextParts) -> None:
    """Load all weights but those of the head; these too if task and answers are the same."""
    theirs, ours = source.answers(), text.answers
    same_answers = (theirs and theirs.answers) == (ours and ours.answers)
    keeps_head = source.config().task.name == config.task.name and same_answers
    tensors = {
        name: tensor
        for name, tensor in read_tensors(weights).items()
        if keeps_head or not name.startswith("head.")
    }
    report = load_tensors(task.model, tensors, source=str(weights), allow_missing=("head.*",))
    head = "its head too" if keeps_head else "a new head on them: another task or other answers"
    logger.info("%d tensors from %s; %s", len(report.loaded), weights, head)
