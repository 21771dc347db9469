"""Tasks whose loss and predictions both come from one run of the model over the batch."""

from abc import abstractmethod
from typing import Generic, TypeVar

from torch import Tensor

from clipbug.data.loading.batch import Batch
from clipbug.tasks.base import Prediction, StepOutput, Task

Output = TypeVar("Output")


class OneOutputTask(Task, Generic[Output]):
    """A task whose training, prediction and evaluation use the same output of the model."""

    def training_step(self, batch: Batch) -> StepOutput:
        """Return loss sums over everything with a target; zero, with a gradient path, if there is none."""
        return self._losses(batch, self._outputs(batch))

    def predict(self, batch: Batch) -> list[Prediction]:
        """Return one prediction per record, with that of each of its clips."""
        return self._predictions(batch, self._outputs(batch))

    def evaluate(self, batch: Batch) -> tuple[list[Prediction], StepOutput]:
        """Return predictions and losses of the same outputs."""
        output = self._outputs(batch)
        return self._predictions(batch, output), self._losses(batch, output)

    @abstractmethod
    def _outputs(self, batch: Batch) -> Output:
        """Return the model's output for every clip, from which losses and predictions are computed."""

    @abstractmethod
    def _losses(self, batch: Batch, output: Output) -> StepOutput:
        """Turn the output into loss sums."""

    @abstractmethod
    def _predictions(self, batch: Batch, output: Output) -> list[Prediction]:
        """Turn the output into predictions."""


def run_model(task: Task, batch: Batch, *, grid: Tensor | None = None) -> Tensor:
    """Return the model's scores (Q, N, K) in fp32, whatever it computes in: half precision rounds losses.

    Args:
        grid: (B, N, h, w, D) of the batch's frames, where they are encoded already.
    """
    scores: Tensor = task.model(
        batch.frames if grid is None else grid,
        batch.input_ids,
        batch.attention_mask,
        batch.visual_index,
        batch.clip_positions,
    )
    return scores.float()
