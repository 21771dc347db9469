"""The training loop of every task."""

import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from torch.optim import Optimizer

from clipbug.data.loading.batch import Batch
from clipbug.engine.checkpoint import CheckpointManager, TrainState
from clipbug.engine.evaluator import Evaluator
from clipbug.engine.failures import not_finite_error, save_failure
from clipbug.engine.interruption import StopSignals, stop_for, until_stopped
from clipbug.engine.meter import StepMeter
from clipbug.engine.optim import learning_rates, set_learning_rates
from clipbug.engine.retrieval import RankingEvaluator
from clipbug.engine.schedules import Schedule, learning_rate_factor
from clipbug.engine.step import OptimizerStep, StepResult
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


class TrainingStream(Protocol):
    """Micro-batches of one process.

    Attributes:
        batch_size: Media items in each micro-batch.
    """

    batch_size: int

    def batches_from(self, position: int) -> Iterator[Batch]:
        """Return the endless stream without its first `position` micro-batches."""
        ...


@dataclass(kw_only=True)
class Trainer:
    """Trains one task from its newest checkpoint (or from the start) to `max_steps`.

    All processes create a trainer and call `fit`. Steps count from 1; whatever happens every n steps also
    happens at the last one.

    Attributes:
        task: Task on the process's device.
        optimizer: Optimizer from `build_optimizer`.
        train_batches: This process's share of the training data.
        evaluator: Evaluator on the validation data, or None.
        checkpoints: Where to save; rank 0 writes.
        failures: Folder for the weights before a step that is not finite.
        tracker: Where to log; None on other ranks than 0.
        distributed: This process's rank among all.
        precision: Precision of the forward pass.
        seed: Seed, combined with step and rank, of everything random in the model.
        schedule: Learning rate schedule.
        warmup_steps: Warm-up of the learning rate.
        max_steps: Total number of optimizer steps.
        accumulation_steps: Micro-batches per optimizer step.
        eval_every: Optimizer steps between validations.
        save_every: Optimizer steps between checkpoints; a new best score is always saved.
        log_every: Optimizer steps between logs.
        max_gradient_norm: Larger gradients are scaled down to this norm; None for no clipping.
        loss_normalization: Divide losses by the targets of the whole step, or of each micro-batch.
        part_schedules: Schedules for "backbone" or "transformer" where they differ from `schedule`.
        milestones: Steps of the schedule "multi_step", by section.
        max_skipped_steps: How many steps may be skipped because they are not finite.
        accept_changes: Resume even if the number of processes or the batch size has changed.
        deadline: Value of `time.monotonic` after which the state is saved and `fit` ends; None for no limit.
        enlarge: Pads the dry-run batch to the largest size that can occur; None for no dry run.
        state: Progress of the training.
    """

    task: Task
    optimizer: Optimizer
    train_batches: TrainingStream
    evaluator: Evaluator | RankingEvaluator | None
    checkpoints: CheckpointManager
    failures: Path
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
    loss_normalization: Literal["step", "micro_batch"] = "step"
    part_schedules: Mapping[str, Schedule] = field(default_factory=dict)
    milestones: Mapping[str, Sequence[int]] = field(default_factory=dict)
    max_skipped_steps: int = 0
    accept_changes: bool = False
    deadline: float | None = None
    enlarge: Callable[[Batch], Batch] | None = None
    state: TrainState = field(default_factory=TrainState, init=False)
    _saved_step: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        for name in ("max_steps", "accumulation_steps", "eval_every", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def fit(self) -> TrainState:
        """Train to `max_steps`.

        Returns:
            The final state.

        Raises:
            KeyboardInterrupt: SIGINT arrived; the state is saved.
            TerminatedError: SIGTERM arrived or time is up; the state is saved.
            ClipbugError: A loss or gradient is not finite, memory or disk is full, or a checkpoint does not
                fit the model.
        """
        update = OptimizerStep(
            self.task,
            self.optimizer,
            precision=resolve_precision(self.precision, self.distributed.device),
            max_gradient_norm=self.max_gradient_norm,
            processes=self.distributed,
            by_micro_batch=self.loss_normalization == "micro_batch",
        )
        self._resume(update)
        self.task.train()
        try:
            with StopSignals(self.deadline) as signals:
                self._loop(update, signals)
            self.checkpoints.finish()
        finally:
            if self.tracker is not None:
                self.tracker.close()
        return self.state

    def _loop(self, update: OptimizerStep, signals: StopSignals) -> None:
        meter = StepMeter(self.state.meter if self.distributed.is_main else None)
        if (
            self._is_eval_due() and self.state.validated_step < self.state.step
        ):  # interrupted during validation
            self._validate_and_save(update, meter, signals)
        if self.state.step >= self.max_steps:
            return
        stream = self._verified(self.train_batches.batches_from(self.state.position), update, signals)
        with ProgressBar("training", self.max_steps, unit="steps", initial=self.state.step) as bar:
            while self.state.step < self.max_steps:
                started = time.monotonic()
                batches = take(stream, self.accumulation_steps, signals)
                waited = time.monotonic() - started
                self._stop_if_asked(signals, update, meter)
                counts = count_targets(self.task, batches)
                totals = all_reduce_sums(counts, self.distributed)
                self._prepare(self.state.step + 1)
                result = update.run(batches, totals)
                self._count(result, batches)
                if not result.problem:
                    visuals = sum(len(batch.media_ids) for batch in batches)
                    seconds = time.monotonic() - started
                    meter.add(result, counts, visuals=visuals, seconds=seconds, waited_seconds=waited)
                bar.update(1, **self._after_step(meter, update, signals))

    def _resume(self, update: OptimizerStep) -> None:
        processes = self.distributed
        newest = broadcast_object(self.checkpoints.latest() if processes.is_main else None, processes)
        if newest is not None:
            self.state = self.checkpoints.load(newest, self.task, self.optimizer, update.scaler)
            self._saved_step = self.state.step
            self._fit_position(newest)
            logger.info("resuming from %s", newest)
        self.state.world_size, self.state.batch_size = processes.world_size, self.train_batches.batch_size
        if processes.is_main:
            self.checkpoints.check_room(self.task)
        if self.tracker is not None:
            self.tracker.resume(self.state.step)

    def _fit_position(self, checkpoint: Path) -> None:
        """Keep the position in the data if the number of processes or the batch size has changed.

        Raises:
            CheckpointError: The number of processes has changed without `accept_changes`.
        """
        then, now = self.state.world_size, self.distributed.world_size
        if then != now and not self.accept_changes:
            message = f"{checkpoint} was written by {then} processes, but now there are {now}"
            hint = f"Resume with torchrun --nproc-per-node {then} -m clipbug ..., or add --accept-changes."
            raise CheckpointError(message, hint)
        seen = self.state.position * then * self.state.batch_size
        self.state.position = seen // (now * self.train_batches.batch_size)

    def _verified(
        self, stream: Iterator[Batch], update: OptimizerStep, signals: StopSignals
    ) -> Iterator[Batch]:
        """Return the stream after a dry run, so that memory, data and compiler errors surface at once."""
        first = take(stream, 1, signals)
        if self.enlarge is not None and first and signals.reason() is None:
            seed_everything(step_seed(self.seed, step=0, rank=self.distributed.rank))
            update.dry_run(self.enlarge(first[0]))
            if self.evaluator is not None:
                self.evaluator.dry_run()
        return itertools.chain(first, stream)

    def _stop_if_asked(self, signals: StopSignals, update: OptimizerStep, meter: StepMeter) -> None:
        """Save the state and stop all processes if any of them has a reason."""
        reasons = [
            reason for reason in gather_objects([signals.reason()], self.distributed) if reason is not None
        ]
        if reasons:
            self._save(update, meter, {})
            self.checkpoints.finish()
            stop_for(reasons[0], step=self.state.step)

    def _prepare(self, step: int) -> None:
        """Set learning rate and random seeds from the step alone, so that a resumed run has the same."""
        for part in learning_rates(self.optimizer):
            factor = learning_rate_factor(
                step,
                schedule=self.part_schedules.get(part, self.schedule),
                milestones=self.milestones.get(part, ()),
                warmup_steps=self.warmup_steps,
                total_steps=self.max_steps,
            )
            set_learning_rates(self.optimizer, factor, part=part)
        seed_everything(step_seed(self.seed, step=step, rank=self.distributed.rank))

    def _count(self, result: StepResult, batches: list[Batch]) -> None:
        """Count the step; skip one that is not finite while the budget lasts, else save the failure.

        Raises:
            ClipbugError: More steps were not finite than `max_skipped_steps`.
        """
        step = self.state.step + 1
        if result.problem:
            if self.state.skipped_steps >= self.max_skipped_steps:
                here = [media_id for batch in batches for media_id in batch.media_ids]
                ids = gather_objects(here, self.distributed)
                dump = self.failures
                if self.distributed.is_main:
                    self.checkpoints.finish()
                    dump = save_failure(self.failures, self.task, self.state, problem=result.problem, ids=ids)
                error = not_finite_error(result.problem, step=step, dump=dump)
                raise error
            self.state.skipped_steps += 1
            logger.warning("skipped step %d: %s", step, result.problem)
        self.state.step, self.state.position = step, self.state.position + len(batches)

    def _is_eval_due(self) -> bool:
        step = self.state.step
        return self.evaluator is not None and step > 0 and self._is_due(self.eval_every)

    def _is_due(self, every: int) -> bool:
        return self.state.step % every == 0 or self.state.step == self.max_steps

    def _after_step(self, meter: StepMeter, update: OptimizerStep, signals: StopSignals) -> dict[str, str]:
        """Log, validate and save where due; return what the progress bar shows."""
        self.checkpoints.check()
        is_save_due = self._is_due(self.save_every)
        info: dict[str, str] = {}
        if self._is_due(self.log_every) or self._is_eval_due() or is_save_due:
            info = self._log_training(meter)
        if self._is_eval_due():
            self._validate_and_save(update, meter, signals)
        elif is_save_due:
            self._save(update, meter, {})
        return info

    def _log_training(self, meter: StepMeter) -> dict[str, str]:
        scalars = meter.drain(self.distributed)
        if not scalars:
            return {}
        rates = {f"learning_rate/{part}": rate for part, rate in learning_rates(self.optimizer).items()}
        skipped = {"train/skipped_steps": float(self.state.skipped_steps)} if self.max_skipped_steps else {}
        self._log({**{f"train/{name}": value for name, value in scalars.items()}, **rates, **skipped})
        return {
            "loss": f"{scalars['loss']:.4g}",
            "samples/s": f"{scalars['samples_per_second']:.3g}",
            "data_wait": f"{scalars['data_wait_share']:.0%}",
        }

    def _validate_and_save(self, update: OptimizerStep, meter: StepMeter, signals: StopSignals) -> None:
        assert self.evaluator is not None, "validation is only due with an evaluator"
        evaluation = self.evaluator.evaluate(signals)
        if evaluation is None:
            self._stop_if_asked(signals, update, meter)
            return
        scores, step = evaluation.scores, self.state.step
        self.state.validated_step = step
        self._log({f"valid/{name}": value for name, value in scores.items()})
        if self.tracker is not None:
            self.tracker.show(step, evaluation.examples)
        if self.state.best_score is None or scores["score"] > self.state.best_score:
            self.state.best_score, self.state.best_step = scores["score"], step
        shown = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
        logger.info("step %d: %s (best: step %s)", step, shown, self.state.best_step)
        if self._is_due(self.save_every) or self.state.best_step == step:
            self._saved_step = 0  # a save during this validation lacks its scores
            self._save(update, meter, scores)

    def _log(self, scalars: Mapping[str, float]) -> None:
        if self.tracker is not None:
            self.tracker.log(self.state.step, scalars)

    def _save(self, update: OptimizerStep, meter: StepMeter, scores: Mapping[str, float]) -> None:
        """Save the current step unless already done; all processes wait for it."""
        if self.state.step == self._saved_step:
            return
        self.state.meter = meter.state(self.distributed)
        if self.distributed.is_main:
            self.checkpoints.save(self.task, self.optimizer, update.scaler, self.state, scores)
        barrier(self.distributed)
        self._saved_step = self.state.step


def take(stream: Iterator[Batch], number: int, signals: StopSignals) -> list[Batch]:
    """Return the next micro-batches; empty if a stop signal has killed the loader's workers."""
    batches = list(until_stopped(itertools.islice(stream, number), signals))
    return batches if len(batches) == number else []


def count_targets(task: Task, batches: Sequence[Batch]) -> dict[str, int]:
    """Count the targets of each loss over all batches."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update(task.count_targets(batch))
    return counts
