"""The training loop of every task."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch.optim import Optimizer

from clipbug.engine.checkpoint import CheckpointManager
from clipbug.engine.evaluator import Evaluator
from clipbug.engine.interruption import StopSignals, stop_for
from clipbug.engine.meter import StepMeter
from clipbug.engine.optim import learning_rates, set_learning_rates
from clipbug.engine.schedules import Schedule, learning_rate_factor
from clipbug.engine.state import TrainState
from clipbug.engine.step import OptimizerStep
from clipbug.engine.stream import TrainingStream, count_targets, take
from clipbug.engine.tracking import Tracker
from clipbug.errors import CheckpointError
from clipbug.runtime.distributed import (
    Distributed,
    all_reduce_sums,
    barrier,
    broadcast_object,
    gather_objects,
)
from clipbug.runtime.precision import resolve_precision
from clipbug.runtime.progress import ProgressBar
from clipbug.runtime.seeding import seed_everything, step_seed
from clipbug.tasks.base import Task

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Trainer:
    """Trains one task from its newest checkpoint (or from the start) to `max_steps`.

    All processes make one and call `fit`. Steps count from 1; what is due every n steps is due at the last.

    Attributes:
        task: on the process's device.
        optimizer: from `build_optimizer`.
        train_batches: this process's share of the training data.
        evaluator: of the validation data, or None.
        checkpoints: where to save; the process of rank 0 writes.
        tracker: where to log; None on processes of other ranks.
        distributed: this process's place among all.
        precision: of the forward pass.
        seed: of all that is random in the model, with step and rank.
        schedule, warmup_steps: of the learning rate.
        max_steps: optimizer steps in all.
        accumulation_steps: micro-batches per optimizer step.
        eval_every, save_every, log_every: optimizer steps in between; a new best score is always saved.
        max_gradient_norm: larger gradients are scaled down to it; None: never.
        part_schedules: schedule of a part of the optimizer ("backbone", "transformer") where it has its own.
        milestones: steps of a part's schedule "multi_step".
        state: where the training stands.
    """

    task: Task
    optimizer: Optimizer
    train_batches: TrainingStream
    evaluator: Evaluator | None
    checkpoints: CheckpointManager
    tracker: Tracker | None
    distributed: Distributed
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    seed: int
    schedule: Schedule
    warmup_steps: int
    max_steps: int
    accumulation_steps: int
    eval_every: int
    save_every: int
    log_every: int
    max_gradient_norm: float | None
    part_schedules: Mapping[str, Schedule] = field(default_factory=dict)
    milestones: Mapping[str, Sequence[int]] = field(default_factory=dict)
    state: TrainState = field(default_factory=TrainState, init=False)
    _saved_step: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        for name in ("max_steps", "accumulation_steps", "eval_every", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def fit(self) -> TrainState:
        """Train to `max_steps`.

        Raises:
            KeyboardInterrupt, TerminatedError: SIGINT or SIGTERM came; the state is saved.
            ClipbugError: a loss or gradient is not finite, memory or disk is full, a checkpoint does not fit.
        """
        update = OptimizerStep(
            self.task,
            self.optimizer,
            precision=resolve_precision(self.precision, self.distributed.device),
            max_gradient_norm=self.max_gradient_norm,
            processes=self.distributed,
        )
        self._resume(update)
        self.task.train()
        try:
            with StopSignals() as signals:
                self._loop(update, signals)
        finally:
            if self.tracker is not None:
                self.tracker.close()
        return self.state

    def _loop(self, update: OptimizerStep, signals: StopSignals) -> None:
        meter = StepMeter()
        stream = self.train_batches.batches_from(self.state.position)
        with ProgressBar("training", self.max_steps, unit="steps", initial=self.state.step) as bar:
            while self.state.step < self.max_steps:
                started = time.monotonic()
                batches = take(stream, self.accumulation_steps, signals)
                waited = time.monotonic() - started
                self._stop_if_asked(signals, update)
                counts = count_targets(self.task, batches)
                totals = all_reduce_sums(counts, self.distributed)
                step = self.state.step + 1
                self._prepare(step)
                result = update.run(batches, totals, step=step)
                self.state.step, self.state.position = step, self.state.position + len(batches)
                seconds = time.monotonic() - started
                visuals = sum(len(batch.media_ids) for batch in batches)
                meter.add(result, counts, visuals=visuals, seconds=seconds, waited_seconds=waited)
                bar.update(1, **self._after_step(meter, update))

    def _resume(self, update: OptimizerStep) -> None:
        processes = self.distributed
        newest = broadcast_object(self.checkpoints.latest() if processes.is_main else None, processes)
        if newest is not None:
            self.state = self.checkpoints.load(newest, self.task, self.optimizer, update.scaler)
            self._saved_step = self.state.step
            if self.state.world_size != processes.world_size:
                then, now = self.state.world_size, processes.world_size
                message = f"{newest} was trained by {then} processes, and now there are {now}"
                raise CheckpointError(message, f"Go on with torchrun --nproc-per-node {then} -m clipbug ...")
            if self.tracker is not None:
                self.tracker.resume(self.state.step)
            logger.info("going on from %s", newest)
        self.state.world_size = processes.world_size

    def _stop_if_asked(self, signals: StopSignals, update: OptimizerStep) -> None:
        """Stop all processes, state saved, if one of them has a signal."""
        received = [
            number for number in gather_objects([signals.received], self.distributed) if number is not None
        ]
        if received:
            self._save(update, {})
            stop_for(received[0], step=self.state.step)

    def _prepare(self, step: int) -> None:
        """Learning rate and random numbers depend on the step alone, so a resumed run has the same."""
        factors = {part: self._rate_factor(part, step) for part in learning_rates(self.optimizer)}
        set_learning_rates(self.optimizer, factors)
        seed_everything(step_seed(self.seed, step=step, rank=self.distributed.rank))

    def _rate_factor(self, part: str, step: int) -> float:
        return learning_rate_factor(
            step,
            schedule=self.part_schedules.get(part, self.schedule),
            milestones=self.milestones.get(part, ()),
            warmup_steps=self.warmup_steps,
            total_steps=self.max_steps,
        )

    def _after_step(self, meter: StepMeter, update: OptimizerStep) -> dict[str, str]:
        """Log, validate and save where it is due; returns what the progress bar shows."""
        step, is_last = self.state.step, self.state.step == self.max_steps
        is_eval_due = self.evaluator is not None and (step % self.eval_every == 0 or is_last)
        is_save_due = step % self.save_every == 0 or is_last
        info: dict[str, str] = {}
        # Logged before anything that may save: no mean reaches over a save, so a resumed run logs the same.
        if step % self.log_every == 0 or is_eval_due or is_save_due:
            info = self._log_training(meter)
        scores = self._validate() if is_eval_due else {}
        if is_save_due or self.state.best_step == step:
            self._save(update, scores)
        return info

    def _log_training(self, meter: StepMeter) -> dict[str, str]:
        scalars = meter.drain(self.distributed)
        rates = {f"learning_rate/{part}": rate for part, rate in learning_rates(self.optimizer).items()}
        self._log({**{f"train/{name}": value for name, value in scalars.items()}, **rates})
        return {
            "loss": f"{scalars['loss']:.4g}",
            "samples/s": f"{scalars['samples_per_second']:.3g}",
            "data_wait": f"{scalars['data_wait_share']:.0%}",
        }

    def _validate(self) -> dict[str, float]:
        assert self.evaluator is not None, "called only where there is one"
        scores = self.evaluator.evaluate()
        self._log({f"valid/{name}": value for name, value in scores.items()})
        if self.state.best_score is None or scores["score"] > self.state.best_score:
            self.state.best_score, self.state.best_step = scores["score"], self.state.step
        shown = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
        logger.info("step %d: %s (best: step %s)", self.state.step, shown, self.state.best_step)
        return scores

    def _log(self, scalars: Mapping[str, float]) -> None:
        if self.tracker is not None:
            self.tracker.log(self.state.step, scalars)

    def _save(self, update: OptimizerStep, scores: Mapping[str, float]) -> None:
        """Save the present step, unless that has been done; all processes wait for it."""
        if self.state.step == self._saved_step:
            return
        if self.distributed.is_main:
            self.checkpoints.save(self.task, self.optimizer, update.scaler, self.state, scores)
        barrier(self.distributed)
        self._saved_step = self.state.step
