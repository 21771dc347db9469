"""`--dry-run`: plan a training and measure one forward and backward pass."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from clipbug.builders.batches import BatchBuilder
from clipbug.builders.task_model import build_text_parts
from clipbug.builders.training import build_training_task, count_steps, read_training_data
from clipbug.config import RunConfig
from clipbug.data.loading.batch import Batch
from clipbug.runtime.distributed import init_distributed
from clipbug.runtime.memory import peak_bytes
from clipbug.runtime.precision import Precision, autocast, resolve_precision
from clipbug.runtime.seeding import seed_everything, step_seed
from clipbug.tasks.base import Task
from clipbug.workspace.run_location import resolve_data
from clipbug.workspace.storage import Storage

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The plan of a training.

    Attributes:
        visuals: number of media items in the training files.
        groups: training samples per epoch (a media item with up to `data.texts_per_visual` rows).
        visuals_per_step: media items per optimizer step.
        parameter_groups: group -> number of trainable parameters.
        memory_gib: peak memory of the process after one micro-batch, plus the optimizer state.
    """

    task: str
    train_files: tuple[str, ...]
    val_files: tuple[str, ...]
    training_rows: int
    validation_rows: int
    visuals: int
    groups: int
    answers: int | None
    vocabulary: int
    steps_per_epoch: int
    steps: int
    visuals_per_step: int
    frames_shape: tuple[int, ...]
    parameters: int
    parameter_groups: dict[str, int]
    precision: str
    device: str
    memory_gib: float
    loss: dict[str, float]
    seconds_per_micro_batch: float

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def plan_run(config: RunConfig, *, storage: Path) -> RunPlan:
    """Read the data, build the model and run one micro-batch forward and backward, without writing files.

    Args:
        config: config of the training.
        storage: storage root.

    Returns:
        The plan.

    Raises:
        ClipbugError: any problem that would stop the training before its first step.
    """
    processes = init_distributed()
    config = resolve_data(config, Storage(storage))
    data = read_training_data(config, Storage(storage))
    seed_everything(config.seed)
    text = build_text_parts(config, data.train)
    task = build_training_task(config, text, processes.device)
    batches = BatchBuilder(config, data.media, text, task, processes).training(data.train)
    steps_per_epoch, steps = count_steps(config, batches.num_groups, processes.world_size)
    precision = resolve_precision(config.precision, processes.device)
    batch = next(iter(batches.batches_from(0)))
    seed_everything(step_seed(config.seed, step=1, rank=processes.rank))
    loss, seconds = _one_micro_batch(task, batch, processes.device, precision)
    return RunPlan(
        task=config.task.name,
        train_files=config.data.train_files,
        val_files=config.data.val_files,
        training_rows=len(data.train),
        validation_rows=len(data.val),
        visuals=len({record.media_id for record in data.train}),
        groups=batches.num_groups,
        answers=None if text.answers is None else len(text.answers),
        vocabulary=len(text.tokenizer),
        steps_per_epoch=steps_per_epoch,
        steps=steps,
        visuals_per_step=config.train.batch_size * config.train.accumulation_steps * processes.world_size,
        frames_shape=tuple(batch.frames.shape),
        parameters=_count(task.parameters()),
        parameter_groups=_parameter_groups(task),
        precision=precision,
        device=str(processes.device),
        memory_gib=round(_peak_bytes(task, processes.device) / _GIB, 2),
        loss=loss,
        seconds_per_micro_batch=round(seconds, 3),
    )


def _one_micro_batch(
    task: Task, batch: Batch, device: torch.device, precision: Precision
) -> tuple[dict[str, float], float]:
    """Return the mean losses of one forward and backward pass, and its duration in seconds."""
    task.train()
    started = time.monotonic()
    counts = task.count_targets(batch)
    with autocast(precision, device):
        sums = task(batch.to(device)).sums
    loss = {name: total / max(counts[name], 1) for name, total in sums.items()}
    torch.autograd.backward(list(loss.values()))
    return {name: round(float(value.detach()), 4) for name, value in loss.items()}, time.monotonic() - started


def _count(parameters: Iterable[torch.nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _parameter_groups(task: Task) -> dict[str, int]:
    trainable = [(name, value) for name, value in task.named_parameters() if value.requires_grad]
    backbone = _count(value for name, value in trainable if name.startswith("model.visual."))
    return {"backbone": backbone, "transformer": _count(value for _, value in trainable) - backbone}


def _peak_bytes(task: Task, device: torch.device) -> int:
    """Return the peak memory so far plus the two moments of AdamW, which the dry run does not allocate."""
    moments = 2 * sum(
        value.numel() * value.element_size() for value in task.parameters() if value.requires_grad
    )
    return peak_bytes(device) + moments
