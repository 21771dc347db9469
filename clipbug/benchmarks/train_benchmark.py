"""`clipbug benchmark train`: our training step beside the original's, each switch alone and all together."""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from clipbug.benchmarks.matrix_products import measure_rate
from clipbug.benchmarks.original_step import OriginalStep, Switches
from clipbug.benchmarks.train_setting import Scale, Setting, Variant
from clipbug.config import RunConfig
from clipbug.data.loading.batch import Batch
from clipbug.engine.optim import build_optimizer
from clipbug.engine.step import OptimizerStep
from clipbug.errors import ClipbugError, ConfigError
from clipbug.models.build import apply_training_switches
from clipbug.models.clipbert import ClipBert
from clipbug.runtime.allocator import keep_freed_memory
from clipbug.runtime.memory import peak_bytes
from clipbug.tasks.base import Task

_GIB = 2**30
_MATRIX_SIZE = {"base": 2048, "tiny": 256}


BASELINE, DEFAULTS = "original", "all, bf16, batch padding (defaults)"
VARIANTS: dict[str, Variant] = {
    BASELINE: Variant(Switches()),
    "clips folded": Variant(Switches(folded_clips=True)),
    "text to the longest row": Variant(Switches(short_text=True)),
    "no unused heads": Variant(Switches(no_unused_heads=True)),
    "fused AdamW": Variant(Switches(fused_adamw=True)),
    "SDPA": Variant(Switches(sdpa=True)),
    "channels last": Variant(Switches(channels_last=True)),
    "bf16": Variant(Switches(bf16=True), precision="bf16"),
    "batch padding": Variant(Switches(), padding="batch"),
    "all, fp32, square": Variant(),
    "all, bf16, square": Variant(precision="bf16"),
    "all, fp32, batch padding": Variant(padding="batch"),
    DEFAULTS: Variant(precision="bf16", padding="batch"),
    "defaults + clips_per_forward=1": Variant(
        precision="bf16", padding="batch", training={"clips_per_forward": 1}
    ),
    "defaults + activation_checkpointing": Variant(
        precision="bf16", padding="batch", training={"activation_checkpointing": True}
    ),
    "defaults + compile": Variant(precision="bf16", padding="batch", training={"compile": True}),
}


@dataclass(frozen=True, slots=True)
class TrainBenchmark:
    """What was measured.

    Attributes:
        variants: name -> seconds per step, samples (visuals) per second, speedup over the original, share of
            the time spent waiting for data, peak memory of the process, arithmetic of a step, and the share
            of `matrix_tflops` that it reaches (model FLOPs utilisation).
        matrix_tflops: precision -> rate of a large matrix product on this machine.
        gradients: greatest relative difference between the original's gradient and ours in fp32 with square
            padding, without dropout, and both losses; empty if it was not asked for.
    """

    device: str
    threads: int
    scale: str
    batch_size: int
    matrix_tflops: dict[str, float]
    gradients: dict[str, float]
    variants: dict[str, dict[str, float | None]]

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return asdict(self)


def measure_training(
    *,
    only: Sequence[str] = (),
    steps: int = 3,
    batch_size: int = 2,
    scale: Scale = "base",
    check: bool = True,
) -> TrainBenchmark:
    """Time steps of video QA: 2 clips of 2 frames per recording, drawn phone recordings, random weights.

    Every variant runs in a process of its own, so that its peak memory is its own.

    Args:
        only: names of variants, or parts of names; the original always runs. Empty: all.
        steps: timed per variant, after one that is not; the fastest counts, as other work only adds.
        batch_size: recordings.
        scale: "base": ClipBERT's own sizes at 448 pixels; "tiny": to see in seconds that it works.
        check: compare gradients too.

    Raises:
        ConfigError: `only` fits no variant.
        ClipbugError: a variant failed.
    """
    names = [name for name in VARIANTS if name == BASELINE or not only or any(part in name for part in only)]
    if only and names == [BASELINE] and BASELINE not in only:
        raise ConfigError(f"no variant fits {', '.join(only)}", f"variants: {', '.join(VARIANTS)}")
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(Path(folder), batch_size=batch_size, scale=scale)
        setting.write_data()
        gradients = _in_process(_compare_gradients, setting) if check else {}
        rows = {name: _in_process(_measure_variant, setting, name, steps) for name in names}
        rates = _in_process(_matrix_rates, setting)
    baseline = rows[BASELINE]["seconds_per_step"]
    return TrainBenchmark(
        device=str(setting.processes.device),
        threads=torch.get_num_threads(),
        scale=scale,
        batch_size=batch_size,
        matrix_tflops={name: round(rate, 3) for name, rate in rates.items()},
        gradients=gradients,
        variants={name: _row(row, baseline, rates[VARIANTS[name].precision]) for name, row in rows.items()},
    )


def _row(row: dict[str, float], baseline: float, rate: float) -> dict[str, float | None]:
    reached = row["tflop_per_step"] / row["seconds_per_step"] / rate
    return {**row, "speedup": round(baseline / row["seconds_per_step"], 2), "mfu": round(reached, 3)}


def _in_process(function: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """What the function returns when a new process runs it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(there, function, arguments))
    process.start()
    there.close()
    try:
        result: dict[str, float] = here.recv()
    except EOFError as error:
        process.join()
        raise ClipbugError(
            f"the process that measures {arguments[1:]} ended with {process.exitcode}",
            "its message stands above; there may be too little memory",
        ) from error
    process.join()
    return result


def _send_result(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    connection.send(function(*arguments))


def _measure_variant(setting: Setting, name: str, steps: int) -> dict[str, float]:
    variant = VARIANTS[name]
    if variant.original is None:
        keep_freed_memory()  # as the command line does
    config = setting.config(variant)
    task = setting.task(config)
    run = _step_function(setting, variant, config, task)
    batches = setting.batches(config, task)
    with FlopCounterMode(display=False) as counter:
        run(next(batches))
    times, waits = [], []
    for _ in range(steps):
        started = time.perf_counter()
        batch = next(batches)
        waits.append(time.perf_counter() - started)
        run(batch)
        times.append(time.perf_counter() - started)
    seconds = min(times)  # what else runs on the machine can only add
    return {
        "seconds_per_step": round(seconds, 3),
        "samples_per_second": round(setting.batch_size / seconds, 3),
        "data_wait_share": round(sum(waits) / sum(times), 3),
        "peak_memory_gib": round(peak_bytes(setting.processes.device) / _GIB, 2),
        "tflop_per_step": round(counter.get_total_flops() / 1e12, 4),
    }


def _step_function(
    setting: Setting, variant: Variant, config: RunConfig, task: Task
) -> Callable[[Batch], object]:
    assert isinstance(task.model, ClipBert), "built here"
    if variant.original is not None:
        unused = {} if setting.scale == "base" else {"unused_values": 10_000}
        return OriginalStep(task.model, variant.original, **unused).run
    clips = config.train.clips_per_forward
    apply_training_switches(
        task.model,
        frames_per_call=None if clips is None else clips * config.num_frames_per_clip,
        recompute=config.train.activation_checkpointing,
        compiled=config.train.compile,
    )
    update = _own_step(setting, variant, config, task)
    return lambda batch: update.run([batch], task.count_targets(batch))


def _own_step(setting: Setting, variant: Variant, config: RunConfig, task: Task) -> OptimizerStep:
    return OptimizerStep(
        task,
        build_optimizer(task, config.optim),
        precision=variant.precision,
        max_gradient_norm=config.optim.max_gradient_norm,
        processes=setting.processes,
    )


def _compare_gradients(setting: Setting) -> dict[str, float]:
    variant = Variant()
    config = setting.config(variant)
    still = config.model.encoder.model_copy(update={"dropout": 0.0})
    config = config.model_copy(
        update={
            "model": config.model.model_copy(update={"encoder": still, "head_dropout": 0.0}),
            "optim": config.optim.model_copy(update={"max_gradient_norm": None}),
        }
    )
    task = setting.task(config)
    batch = next(setting.batches(config, task))
    update = _own_step(setting, variant, config, task)
    result = update.gradient([batch], task.count_targets(batch))
    own = {name: value.grad.clone() for name, value in task.named_parameters() if value.grad is not None}
    assert isinstance(task.model, ClipBert), "built here"
    loss = OriginalStep(task.model, Switches(), unused_values=1000).gradient(batch)
    differences = [
        float((own[name] - value.grad).norm() / value.grad.norm())
        for name, value in task.named_parameters()
        if value.grad is not None and float(value.grad.norm()) > 1e-6 * result.gradient_norm
    ]
    return {
        "loss": round(sum(result.sums.values()) / len(batch.records), 6),
        "original_loss": round(float(loss), 6),
        "greatest_relative_difference": max(differences),
        "tensors_compared": len(differences),
    }


def _matrix_rates(setting: Setting) -> dict[str, float]:
    """TFLOP/s of a large matrix product: what the machine can do at best."""
    size, device = _MATRIX_SIZE[setting.scale], setting.processes.device
    return {
        precision: 1e-12 / measure_rate(dtype, device=device, size=size, repeats=8).seconds
        for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
