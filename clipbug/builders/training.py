"""Build the trainer of a run from its settings and data."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch.nn import functional

from clipbug.builders.batches import BatchBuilder
from clipbug.builders.evaluators import build_search_evaluator
from clipbug.builders.mixtures import read_mixture
from clipbug.builders.records import open_media, records_with_media
from clipbug.builders.task_model import TextParts, build_task_model, model_of
from clipbug.checks.dataset.splits import copied_rows
from clipbug.config import RunConfig
from clipbug.data.loading.batch import Batch
from clipbug.data.loading.frame_size import resized_size
from clipbug.data.media import MediaSource
from clipbug.data.records import Record
from clipbug.engine.checkpoint import CheckpointManager
from clipbug.engine.evaluator import Evaluator
from clipbug.engine.external_trackers import open_sink
from clipbug.engine.optim import build_optimizer
from clipbug.engine.retrieval import RankingEvaluator
from clipbug.engine.tracking import Tracker
from clipbug.engine.trainer import Trainer
from clipbug.errors import DecodeError
from clipbug.models.build import apply_training_switches
from clipbug.tasks.base import RankingTask, Task
from clipbug.workspace.run_folder import RunFolder
from clipbug.workspace.storage import Storage

logger = logging.getLogger(__name__)


def build_training_task(config: RunConfig, text: TextParts, device: torch.device) -> Task:
    """Build the task on its device, with the training switches of the config applied."""
    task = build_task_model(config, text).to(device)
    clips = config.train.clips_per_forward
    apply_training_switches(
        model_of(task),
        frames_per_call=None if clips is None else clips * config.num_frames_per_clip,
        recompute=config.train.activation_checkpointing,
        compiled=config.train.compile,
    )
    return task


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The rows of a run, with the source of their images and recordings."""

    media: MediaSource
    train: Sequence[Record]
    val: Sequence[Record]


def read_training_data(config: RunConfig, storage: Storage) -> TrainingData:
    """Read all rows of the config's files, and check every media id.

    Raises:
        DataError: a file, row or media id that cannot be used.
    """
    if config.data.train_datasets:
        return TrainingData(*read_mixture(config, storage))
    media = open_media(config.data.media, storage)
    train = records_with_media(config.data.train, config, media)
    val = records_with_media(config.data.val, config, media)
    copies = copied_rows(train, val)
    if copies:
        logger.warning(
            "%d of %d validation rows are copies of training rows, so the validation score says little;"
            " `clipbug data check` names them",
            len(copies),
            len(val),
        )
    return TrainingData(media, train, val)


def build_trainer(
    builder: BatchBuilder,
    folder: RunFolder,
    data: TrainingData,
    *,
    accept_changes: bool = False,
    stop_after: float | None = None,
) -> Trainer:
    """Build the trainer of a run.

    Args:
        builder: has the config, the task on its device and the processes; its bad items are those that may be
            left out of training.
        folder: run directory.
        data: rows to train and validate on.
        accept_changes: resume also with another number of processes or batch size.
        stop_after: seconds from now, after which the training saves and stops.
    """
    config, task, processes = builder.config, builder.task, builder.processes
    batches = builder.training(data.train)
    steps_per_epoch, total = count_steps(config, batches.num_groups, processes.world_size)
    eval_every = config.train.eval_every or max(steps_per_epoch, total // 20, 1)
    parts = {"backbone": config.optim.backbone, "transformer": config.optim.transformer}
    return Trainer(
        task=task,
        optimizer=build_optimizer(task, config.optim),
        train_batches=batches,
        evaluator=_build_evaluator(builder, data) if data.val else None,
        checkpoints=CheckpointManager(
            folder.checkpoints,
            keep_last=config.train.keep_last,
            in_background=config.train.background_saves,
        ),
        failures=folder.failures,
        tracker=_build_tracker(config, folder) if processes.is_main else None,
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
        max_skipped_steps=config.train.max_skipped_steps,
        accept_changes=accept_changes,
        deadline=None if stop_after is None else time.monotonic() + stop_after,
        enlarge=enlarge_to_largest(config, task, data),
        loss_normalization=config.train.loss_normalization,
        part_schedules={name: part.schedule for name, part in parts.items() if part.schedule is not None},
        milestones={
            name: [epoch * steps_per_epoch for epoch in part.milestones] for name, part in parts.items()
        },
    )


def _build_evaluator(builder: BatchBuilder, data: TrainingData) -> Evaluator | RankingEvaluator:
    config, task, processes = builder.config, builder.task, builder.processes
    if isinstance(task, RankingTask):
        return build_search_evaluator(replace(builder, bad_items=None), data.val, task)
    return Evaluator(
        task,
        builder.evaluation(data.val),
        precision=config.precision,
        distributed=processes,
        num_examples=config.train.num_examples if processes.is_main else 0,
    )


def _build_tracker(config: RunConfig, folder: RunFolder) -> Tracker:
    settings = config.model_dump(mode="json")
    return Tracker(folder.path, [open_sink(name, folder.path, settings) for name in config.train.trackers])


def count_steps(config: RunConfig, num_groups: int, world_size: int) -> tuple[int, int]:
    """Return the optimizer steps per epoch and the total, at least one each, however little data there is."""
    visuals_per_step = config.train.batch_size * config.train.accumulation_steps * world_size
    steps_per_epoch = max(1, -(-num_groups // visuals_per_step))
    return steps_per_epoch, config.train.max_steps or config.train.num_epochs * steps_per_epoch


def enlarge_to_largest(config: RunConfig, task: Task, data: TrainingData) -> Callable[[Batch], Batch]:
    """Return a function that pads frames to the largest height and width in the data."""
    if config.padding == "square":
        return _unchanged  # all are as large
    cell = model_of(task).frame_multiple
    sizes = list(_frame_sizes(config, data))
    if not sizes:
        return _unchanged
    height, width = (math.ceil(max(sides) / cell) * cell for sides in zip(*sizes, strict=True))
    return partial(_pad_frames, height=height, width=width)


def _frame_sizes(config: RunConfig, data: TrainingData) -> Iterable[tuple[int, int]]:
    for media_id in {record.media_id for record in data.train}:
        with suppress(DecodeError):  # named, or left out, when a batch wants it
            entry = data.media.entry(media_id)
            yield resized_size(entry.height, entry.width, config.max_frame_size)


def _pad_frames(batch: Batch, *, height: int, width: int) -> Batch:
    below = max(height - batch.frames.shape[-2], 0)
    right = max(width - batch.frames.shape[-1], 0)
    return replace(batch, frames=functional.pad(batch.frames, (0, right, 0, below)))


def _unchanged(batch: Batch) -> Batch:
    return batch
