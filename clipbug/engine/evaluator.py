"""Scores and loss of a task on validation data."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from clipbug.data.loading.batch import Batch
from clipbug.data.records import Record
from clipbug.engine.examples import Example, examples_of
from clipbug.engine.failures import memory_errors_explained
from clipbug.engine.interruption import StopSignals
from clipbug.engine.losses import LossTotals
from clipbug.engine.predictor import gather_pairs, inference, length
from clipbug.engine.stream import until_stopped
from clipbug.runtime.distributed import Distributed, gather_objects
from clipbug.runtime.precision import autocast, resolve_precision
from clipbug.runtime.progress import ProgressBar
from clipbug.tasks.base import Prediction, Task


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one validation tells.

    Attributes:
        scores: of the metric, the main one under "score" too, and "loss" where there are targets.
        examples: of this process's first rows.
    """

    scores: Mapping[str, float]
    examples: tuple[Example, ...]


class Evaluator:
    """Runs a task over the same batches again and again, as its training goes on.

    Args:
        task: left in the mode (training or not) in which it comes.
        batches: this process's share of the rows; iterated anew by each evaluation.
        precision: as in training.
        distributed: the processes among which the rows are shared.
        num_examples: answers to show; 0: none.
    """

    def __init__(
        self,
        task: Task,
        batches: Iterable[Batch],
        *,
        precision: Literal["auto", "fp32", "bf16", "fp16"],
        distributed: Distributed,
        num_examples: int = 0,
    ) -> None:
        self._num_examples = num_examples
        self._task = task
        self._batches = batches
        self._processes = distributed
        self._precision = resolve_precision(precision, distributed.device)

    def evaluate(self, signals: StopSignals) -> Evaluation | None:
        """Scores of all rows, or None if one of the processes was asked to stop in the middle.

        All processes must call it, and all get the same scores.

        Raises:
            DataError: two rows have one id.
            OutOfMemoryError: a batch does not fit.
        """
        pairs: list[tuple[Record, Prediction]] = []
        losses = LossTotals()
        examples: list[Example] = []
        with inference(self._task), ProgressBar("validation", length(self._batches), unit="batches") as bar:
            for batch in until_stopped(self._batches, signals):
                if signals.reason():
                    break
                predictions = self._run(batch, losses)
                pairs.extend(zip(batch.records, predictions, strict=True))
                examples.extend(examples_of(batch, predictions, self._num_examples - len(examples)))
                bar.update()
        if any(gather_objects([signals.reason() is not None], self._processes)):
            return None
        gathered = gather_pairs(pairs, self._processes)
        unread = [record for visual in getattr(self._batches, "unread", ()) for record in visual.records]
        unanswered = gather_objects(unread, self._processes)  # the metric counts them as wrong
        metric = self._task.metric()
        records = [*(record for record, _ in gathered), *unanswered]
        scores = metric([prediction for _, prediction in gathered], records)
        means = losses.means(self._processes)
        return Evaluation({**scores, "score": scores[metric.name], **means}, tuple(examples))

    def dry_run(self) -> None:
        """Answer one batch and forget it: memory and data errors come before the first step.

        Raises:
            OutOfMemoryError: the batch does not fit.
        """
        with inference(self._task):
            for batch in itertools.islice(self._batches, 1):
                self._run(batch, LossTotals())

    def _run(self, batch: Batch, losses: LossTotals) -> list[Prediction]:
        device = self._processes.device
        on_device = batch.to(device)
        with memory_errors_explained([batch], "eval"), autocast(self._precision, device):
            if not batch.targets:
                return self._task.predict(on_device)
            predictions, output = self._task.evaluate(on_device)
        losses.add(
            {name: float(total) for name, total in output.sums.items()}, self._task.count_targets(batch)
        )
        return predictions
