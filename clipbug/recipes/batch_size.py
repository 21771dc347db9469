"""`--batch auto`: the largest micro-batch that fits into memory."""

import logging
from collections.abc import Callable
from pathlib import Path

from clipbug.config import RunConfig
from clipbug.data.loaders import TrainBatches
from clipbug.data.mixing import MixedBatches
from clipbug.engine.optim import build_optimizer
from clipbug.engine.step import OptimizerStep
from clipbug.errors import ClipbugError, OutOfMemoryError
from clipbug.recipes.assembly import build_text_parts
from clipbug.recipes.batches import BatchBuilder
from clipbug.recipes.resolve import Resume, resolve_data
from clipbug.recipes.run_folder import RunFolder, config_difference
from clipbug.recipes.storage import Storage
from clipbug.recipes.trainer import build_training_task, enlarge_to_largest, read_training_data
from clipbug.runtime.distributed import gather_objects, init_distributed
from clipbug.runtime.memory import available_bytes, peak_bytes, reset_peak
from clipbug.runtime.precision import resolve_precision
from clipbug.runtime.seeding import seed_everything

logger = logging.getLogger(__name__)

_SHARE_OF_MEMORY = 0.85  # validation, loader workers and fragmentation need some too
_MAX_BATCH = 1024


def with_largest_batch(config: RunConfig, *, storage: Path, output: Path | None, resume: Resume) -> RunConfig:
    """The config with the largest `train.batch_size` that fits, or that of the run that it goes on with.

    Raises:
        OutOfMemoryError: not even one visual fits.
        ClipbugError: the system does not tell how much memory there is.
    """
    processes = init_distributed()
    known = None if resume == "never" else _batch_size_of_begun_run(config, Storage(storage), output)
    size = known or min(gather_objects([_measured(config, Storage(storage))], processes))
    logger.info("train.batch_size is %d%s", size, " as before" if known else ": the largest that fits")
    return _with_batch_size(config, size)


def _with_batch_size(config: RunConfig, size: int) -> RunConfig:
    return config.model_copy(update={"train": config.train.model_copy(update={"batch_size": size})})


def _batch_size_of_begun_run(config: RunConfig, storage: Storage, output: Path | None) -> int | None:
    """Of a run that differs in nothing else, so that the same command goes on with it."""
    resolved = resolve_data(config, storage)
    for path in [output] if output is not None else storage.runs():
        if (path / "config.yaml").is_file() and (output or not RunFolder(path).summary.exists()):
            stored = RunFolder(path).config()
            if not config_difference(stored, _with_batch_size(resolved, stored.train.batch_size)):
                return stored.train.batch_size
    return None


def _measured(config: RunConfig, storage: Storage) -> int:
    processes = init_distributed()
    device = processes.device
    config = resolve_data(config, storage)
    data = read_training_data(config, storage)
    seed_everything(config.seed)
    text = build_text_parts(config, data.train)
    task = build_training_task(config, text, device).train()
    update = OptimizerStep(
        task,
        build_optimizer(task, config.optim),
        precision=resolve_precision(config.precision, device),
        max_gradient_norm=None,
        processes=processes,
    )
    moments = 2 * sum(value.nbytes for value in task.parameters() if value.requires_grad)
    free = available_bytes(device)
    if free is None:
        raise ClipbugError("this system does not tell how much memory is free", "Give --batch a number.")
    reset_peak(device)
    before = peak_bytes(device)
    enlarge = enlarge_to_largest(config, task, data)

    def batches(size: int) -> TrainBatches | MixedBatches:
        sized = _with_batch_size(config, size)
        return BatchBuilder(sized, data.media, text, task, processes).training(data.train)

    def needed_bytes(size: int) -> int:
        stream = batches(size)
        reset_peak(device)
        update.dry_run(enlarge(next(stream.batches_from(0))))
        return peak_bytes(device) - before + moments

    most = min(batches(1).num_groups, _MAX_BATCH)
    return largest_that_fits(needed_bytes, limit=int(free * _SHARE_OF_MEMORY), most=most)


def largest_that_fits(needed_bytes: Callable[[int], int], *, limit: int, most: int) -> int:
    """The largest size whose need stays within the limit; sizes that surely do not are never tried.

    The need is taken to grow in a straight line: sizes are doubled as long as the line says that they fit,
    then the line's own crossing is tried, and smaller ones if it was too steep.

    Args:
        needed_bytes: measures a size; may raise OutOfMemoryError.
        limit: bytes.
        most: no size beyond.

    Raises:
        OutOfMemoryError: not even size 1 fits.
    """
    measured = {1: needed_bytes(1)}
    if measured[1] > limit:
        raise OutOfMemoryError(
            f"one visual needs {measured[1] / 1e9:.3g} GB, and {limit / 1e9:.3g} GB may be used",
            "Lower one of these with --set: max_frame_size, train.num_clips, num_frames_per_clip",
        )
    best = 1
    while best < most:
        size = min(_next_size(measured, best, limit), most)
        if size <= best:
            break
        need = _try(needed_bytes, size)
        if need is None or need > limit:
            most = size - 1
        else:
            measured[size], best = need, size
    return best


def _next_size(measured: dict[int, int], best: int, limit: int) -> int:
    """Twice the best one, or where the line through the last two reaches the limit."""
    if len(measured) == 1:
        return 2 if 2 * measured[1] <= limit else 1
    (size, need), (size_before, need_before) = sorted(measured.items(), reverse=True)[:2]
    slope = max((need - need_before) / (size - size_before), 1.0)
    return min(2 * best, size + int((limit - need) / slope))


def _try(needed_bytes: Callable[[int], int], size: int) -> int | None:
    try:
        return needed_bytes(size)
    except OutOfMemoryError:
        return None
