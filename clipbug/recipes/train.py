"""`clipbug finetune` and `clipbug pretrain`: one function for every task."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbug.config import RunConfig
from clipbug.data.media import MediaSource
from clipbug.data.records import QuestionRecord, Record
from clipbug.data.tokenization import load_tokenizer, save_tokenizer
from clipbug.engine.checkpoint import CheckpointManager
from clipbug.engine.evaluator import Evaluator
from clipbug.engine.optim import build_optimizer
from clipbug.engine.tracking import Tracker
from clipbug.engine.trainer import Trainer
from clipbug.errors import CheckpointError, ClipbugError
from clipbug.metrics.baselines import TrainingAnswers
from clipbug.models.build import self_contained_config
from clipbug.models.weights import load_weights
from clipbug.recipes.assembly import (
    TextParts,
    build_evaluation_batches,
    build_task_model,
    build_text_parts,
    build_train_batches,
    model_of,
)
from clipbug.recipes.resolve import Resume, RunPlace, place_run, resolve_data
from clipbug.recipes.rows import open_media, records_with_media
from clipbug.recipes.run_folder import RunFolder
from clipbug.recipes.storage import Storage
from clipbug.runtime.distributed import Distributed, broadcast_object, joined_processes
from clipbug.runtime.files import atomic_write
from clipbug.runtime.seeding import seed_everything
from clipbug.tasks.base import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a finished training tells.

    Attributes:
        score: main validation score of the best checkpoint, or None without validation data.
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

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return asdict(self)


def train(
    config: RunConfig,
    *,
    storage: Path,
    output: Path | None = None,
    resume: Resume = "auto",
    init: Path | None = None,
) -> TrainingReport:
    """Train the config's task, or go on with an unfinished run of the same config.

    Args:
        config: settings; data that it does not name is looked for under `storage`.
        storage: storage root.
        output: run folder; default: a new one under the storage.
        resume: "auto" goes on with an unfinished run of the same settings; "required" insists; "never" starts
            anew.
        init: run or model folder whose weights (and model settings and tokenizer) to start from.

    Raises:
        ClipbugError: for all that a user can cause; what is already written stays usable.
    """
    started = time.monotonic()
    place_of_data = Storage(storage)
    config = resolve_data(config, place_of_data)
    if init is not None:
        config = _with_model_of(RunFolder.open(init), config)
    with joined_processes() as processes:
        place = _agree_on_place(config, place_of_data, output, resume, processes)
        if place.is_begun and place.folder.summary.exists():
            logger.info("%s is complete already", place.folder.path)
            return TrainingReport(**json.loads(place.folder.summary.read_text(encoding="utf-8")))
        report = _run(config, place, init, place_of_data, processes, started)
        if processes.is_main:
            atomic_write(place.folder.summary, json.dumps(report.to_json(), indent=1))
    return report


def _agree_on_place(
    config: RunConfig, storage: Storage, output: Path | None, resume: Resume, processes: Distributed
) -> RunPlace:
    """The main process chooses; all processes must use the same folder, or fail together."""
    place: RunPlace | ClipbugError | None = None
    if processes.is_main:
        try:
            place = place_run(config, storage, output=output, resume=resume)
        except ClipbugError as error:
            place = error
    place = broadcast_object(place, processes)
    if isinstance(place, ClipbugError):
        raise place
    assert place is not None, "the main process always sends a place"
    return place


def _with_model_of(source: RunFolder, config: RunConfig) -> RunConfig:
    """Weights only fit the model and tokenizer that they were trained with."""
    stored = source.self_contained_config()
    if stored.model != config.model:
        logger.info("model settings are taken from %s", source.path)
    return config.model_copy(update={"model": stored.model, "tokenizer": stored.tokenizer})


def _run(
    config: RunConfig,
    place: RunPlace,
    init: Path | None,
    storage: Storage,
    processes: Distributed,
    started: float,
) -> TrainingReport:
    media = open_media(config.data.media, storage)
    records = records_with_media(config.data.train, config, media)
    val_records = records_with_media(config.data.val, config, media)
    if not val_records:
        logger.warning("no validation file: the last checkpoint is taken as the best (give one with --val)")
    seed_everything(config.seed)
    text = _text_parts(config, place, init, records)
    task = build_task_model(config, text).to(processes.device)
    if init is not None:  # a checkpoint of a begun run comes on top; it may have died before its first
        _load_init(task, init)
    if processes.is_main and not place.is_begun:
        save_tokenizer(text.tokenizer, place.folder.tokenizer)
        place.folder.write_start(
            config,
            model=self_contained_config(config.model, model_of(task)),
            answers=text.answers,
            statistics=_statistics(records),
        )
    trainer = _build_trainer(config, place.folder, task, text, media, records, val_records, processes)
    state = trainer.fit()
    return TrainingReport(
        run=str(place.folder.path),
        task=config.task.name,
        steps=state.step,
        best_step=state.best_step,
        score=state.best_score,
        metric=task.metric().name,
        training_rows=len(records),
        validation_rows=len(val_records),
        parameters=sum(parameter.numel() for parameter in task.parameters()),
        seconds=round(time.monotonic() - started, 1),
    )


def _statistics(records: Sequence[Record]) -> TrainingAnswers | None:
    questions = [record for record in records if isinstance(record, QuestionRecord)]
    return TrainingAnswers.from_records(questions) if questions else None


def _text_parts(
    config: RunConfig, place: RunPlace, init: Path | None, records: Sequence[Record]
) -> TextParts:
    """A begun run keeps its own; a run from weights takes their tokenizer; else the rows make both."""
    if place.is_begun:
        return TextParts(load_tokenizer(place.folder.tokenizer), place.folder.answers())
    text = build_text_parts(config, records)
    return text if init is None else TextParts(load_tokenizer(RunFolder(init).tokenizer), text.answers)


def _load_init(task: Task, init: Path) -> None:
    weights = RunFolder.open(init).weights("best")
    report = load_weights(task.model, weights, allow_missing=("head.*",), allow_unexpected=("head.*",))
    logger.info("weights from %s: %s", weights, report)
    if not report.loaded:
        raise CheckpointError(
            f"no tensor of {weights} fits the model", "give weights of a clipbug run or model folder"
        )


def _build_trainer(
    config: RunConfig,
    folder: RunFolder,
    task: Task,
    text: TextParts,
    media: MediaSource,
    records: Sequence[Record],
    val_records: Sequence[Record],
    processes: Distributed,
) -> Trainer:
    batches = build_train_batches(config, records, media, text, task, processes)
    steps_per_epoch, total = count_steps(config, batches.num_groups, processes.world_size)
    eval_every = config.train.eval_every or max(steps_per_epoch, total // 20, 1)
    evaluator = None
    if val_records:
        val_batches = build_evaluation_batches(config, val_records, media, text, task, processes)
        evaluator = Evaluator(task, val_batches, precision=config.precision, distributed=processes)
    return Trainer(
        task=task,
        optimizer=build_optimizer(task, config.optim),
        train_batches=batches,
        evaluator=evaluator,
        checkpoints=CheckpointManager(folder.checkpoints, keep_last=config.train.keep_last),
        tracker=Tracker(folder.path) if processes.is_main else None,
        distributed=processes,
        precision=config.precision,
        seed=config.seed,
        schedule=config.optim.schedule,
        warmup_steps=int(config.optim.warmup_ratio * total),
        max_steps=total,
        accumulation_steps=config.train.accumulation_steps,
        eval_every=eval_every,
        save_every=config.train.save_every or eval_every,
        log_every=config.train.log_every,
        max_gradient_norm=config.optim.max_gradient_norm,
    )


def count_steps(config: RunConfig, num_groups: int, world_size: int) -> tuple[int, int]:
    """(optimizer steps per epoch, steps in all); at least one of each, however little data there is."""
    visuals_per_step = config.train.batch_size * config.train.accumulation_steps * world_size
    steps_per_epoch = max(1, -(-num_groups // visuals_per_step))
    return steps_per_epoch, config.train.max_steps or config.train.num_epochs * steps_per_epoch
