"""Scores and loss of a task on validation data."""

from collections.abc import Iterable
from typing import Literal

from clipbug.data.batch import Batch
from clipbug.data.records import Record
from clipbug.engine.failures import memory_errors_explained
from clipbug.engine.losses import LossTotals
from clipbug.engine.predictor import gather_pairs, inference, length
from clipbug.runtime.distributed import Distributed
from clipbug.runtime.precision import autocast, resolve_precision
from clipbug.runtime.progress import ProgressBar
from clipbug.tasks.base import Prediction, Task


class Evaluator:
    """Runs a task over the same batches again and again, as its training goes on.

    Args:
        task: left in the mode (training or not) in which it comes.
        batches: this process's share of the rows; iterated anew by each evaluation.
        precision: as in training.
        distributed: the processes among which the rows are shared.
    """

    def __init__(
        self,
        task: Task,
        batches: Iterable[Batch],
        *,
        precision: Literal["auto", "fp32", "bf16", "fp16"],
        distributed: Distributed,
    ) -> None:
        self._task = task
        self._batches = batches
        self._processes = distributed
        self._precision = resolve_precision(precision, distributed.device)

    def evaluate(self) -> dict[str, float]:
        """The metric's scores, the main one under "score" too, and "loss" where there are targets.

        All processes must call it, and all get the same.

        Raises:
            DataError: two rows have one id.
            OutOfMemoryError: a batch does not fit.
        """
        pairs: list[tuple[Record, Prediction]] = []
        losses = LossTotals()
        with inference(self._task), ProgressBar("validation", length(self._batches), unit="batches") as bar:
            for batch in self._batches:
                pairs.extend(zip(batch.records, self._run(batch, losses), strict=True))
                bar.update()
        gathered = gather_pairs(pairs, self._processes)
        metric = self._task.metric()
        scores = metric([prediction for _, prediction in gathered], [record for record, _ in gathered])
        return {**scores, "score": scores[metric.name], **losses.means(self._processes)}

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
