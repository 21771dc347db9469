"""`clipbug benchmark train`: compare the training step with ClipBERT's, each optimization alone and all."""

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

from clipbug.benchmarks.clipbert_step import ClipBertStep, Switches
from clipbug.benchmarks.matrix_products import measure_rate
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
    """The measurements.

    Attributes:
        variants: name -> seconds per step, samples per second, speedup over ClipBERT, share of the time spent
            waiting for data, peak memory of the process, operations per step, and their share of
            `matrix_tflops` (model FLOPs utilization).
        matrix_tflops: precision -> rate of a large matrix product on this machine.
        gradients: largest relative difference between the gradients of ClipBERT and clipbug in fp32 with
            square padding and without dropout, and both losses; empty without `check`.
    """

    device: str
    threads: int
    scale: str
    batch_size: int
    matrix_tflops: dict[str, float]
    gradients: dict[str, float]
    variants: dict[str, dict[str, float | None]]

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def measure_training(
    *,
    only: Sequence[str] = (),
    steps: int = 3,
    batch_size: int = 2,
    scale: Scale = "base",
    check: bool = True,
) -> TrainBenchmark:
    """Time video QA steps with 2 clips of 2 frames, synthetic phone recordings and random weights.

    Every variant runs in its own process, so that peak memory is measured separately.

    Args:
        only: substrings of variant names; "original" (ClipBERT) always runs. Empty for all variants.
        steps: timed steps per variant, after a warm-up step; the fastest is reported, as other work on the
            machine can only slow steps down.
        batch_size: recordings per step.
        scale: "base": sizes of ClipBERT at 448 pixels; "tiny": a quick test.
        check: also compare gradients.

    Returns:
        The measurements.

    Raises:
        ConfigError: `only` matches no variant.
        ClipbugError: a variant failed.
    """
    names = [name for name in VARIANTS if name == BASELINE or not only or any(text in name for text in only)]
    if only and names == [BASELINE] and BASELINE not in only:
        raise ConfigError(f"no variant matches {', '.join(only)}", f"variants: {', '.join(VARIANTS)}")
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
    """Call a function in a new process and return its result."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        result: dict[str, float] = receiver.recv()
    except EOFError as error:
        process.join()
        raise ClipbugError(
            f"the process that measures {arguments[1:]} exited with code {process.exitcode}",
            "see its error message above; the machine may have run out of memory",
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
    seconds = min(times)  # other work on the machine can only add to it
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
    assert isinstance(task.model, ClipBert), "created by Setting.task"
    if variant.original is not None:
        unused = {} if setting.scale == "base" else {"num_unused": 10_000}
        return ClipBertStep(task.model, variant.original, **unused).run
    clips = config.train.clips_per_forward
    apply_training_switches(
        task.model,
        frames_per_call=None if clips is None else clips * config.num_frames_per_clip,
        recompute=config.train.activation_checkpointing,
        compiled=config.train.compile,
    )
    update = _clipbug_step(setting, variant, config, task)
    return lambda batch: update.run([batch], task.count_targets(batch))


def _clipbug_step(setting: Setting, variant: Variant, config: RunConfig, task: Task) -> OptimizerStep:
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
    encoder = config.model.encoder.model_copy(update={"dropout": 0.0})
    config = config.model_copy(
        update={
            "model": config.model.model_copy(update={"encoder": encoder, "head_dropout": 0.0}),
            "optim": config.optim.model_copy(update={"max_gradient_norm": None}),
        }
    )
    task = setting.task(config)
    batch = next(setting.batches(config, task))
    update = _clipbug_step(setting, variant, config, task)
    result = update.gradient([batch], task.count_targets(batch))
    own = {name: value.grad.clone() for name, value in task.named_parameters() if value.grad is not None}
    assert isinstance(task.model, ClipBert), "created by Setting.task"
    loss = ClipBertStep(task.model, Switches(), num_unused=1000).gradient(batch)
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
    """Return the TFLOP/s of a large matrix product, the peak rate of the machine, by precision."""
    size, device = _MATRIX_SIZE[setting.scale], setting.processes.device
    return {
        precision: 1e-12 / measure_rate(dtype, device=device, size=size, repeats=8).seconds
        for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
