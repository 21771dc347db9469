"""Compute scores and loss of a task on validation data."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from clipbug.data.loading.batch import Batch
from clipbug.data.records import Record
from clipbug.engine.failures import memory_errors_explained
from clipbug.engine.interruption import StopSignals, until_stopped
from clipbug.engine.losses import LossTotals
from clipbug.engine.predictor import gather_pairs, inference, length
from clipbug.engine.tracking import Example, examples_of
from clipbug.runtime.distributed import Distributed, gather_objects
from clipbug.runtime.precision import autocast, resolve_precision
from clipbug.runtime.progress import ProgressBar
from clipbug.tasks.base import Prediction, Task


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Result of one validation.

    Attributes:
        scores: Scores of the metric, the main one also as "score", and "loss" if there are targets.
        examples: This process's first predictions.
    """

    scores: Mapping[str, float]
    examples: tuple[Example, ...]


class Evaluator:
    """Evaluates a task on the same batches repeatedly during training.

    Args:
        task: Left in the mode (training or not) in which it was passed.
        batches: This process's share of the records; iterated once per evaluation.
        precision: As in training.
        distributed: The processes that share the records.
        num_examples: Number of predictions to show; 0 for none.
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
        """Evaluate all records.

        All processes must call it, and all get the same scores.

        Args:
            signals: Stop requests, checked between batches.

        Returns:
            The result, or None if any process was asked to stop in the middle.

        Raises:
            DataError: Two records have the same id.
            OutOfMemoryError: A batch does not fit into memory.
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
        """Evaluate one batch and discard the result: memory and data errors surface before the first step.

        Raises:
            OutOfMemoryError: The batch does not fit into memory.
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
