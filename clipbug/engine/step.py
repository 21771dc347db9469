"""One optimizer step: micro-batches in, updated weights and plain numbers out."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from clipbug.data.loading.batch import Batch
from clipbug.engine.failures import memory_errors_explained, what_is_not_finite
from clipbug.runtime.distributed import Distributed, gather_objects
from clipbug.runtime.precision import Precision, autocast, make_scaler
from clipbug.tasks.base import StepOutput, Task


@dataclass(frozen=True, slots=True)
class StepResult:
    """Result of one step for this process's micro-batches.

    Attributes:
        sums: Loss name -> sum over targets.
        report: Scalars of the task, averaged over micro-batches.
        gradient_norm: Norm over all processes, before clipping.
        problem: Which value was not finite, on which rank, with which recordings; the weights are then
            unchanged. Empty if all is well. The same on all processes.
    """

    sums: Mapping[str, float]
    report: Mapping[str, float]
    gradient_norm: float
    problem: str = ""


class OptimizerStep:
    """Computes forward pass, backward pass and update.

    Each loss sum is divided by its number of targets in the whole step, so the gradient depends neither on
    the split into micro-batches nor on the number of processes.

    Args:
        task: Task on the process's device; its weights are updated.
        optimizer: Optimizer of the task's parameters.
        precision: Precision of the forward pass.
        max_gradient_norm: Larger gradients are scaled down to this norm; None for no clipping.
        processes: The processes that train together.
        by_micro_batch: As in ClipBERT, divide each micro-batch's loss by its own targets, add these means,
            and average over processes; the gradient then depends on the split.
    """

    def __init__(
        self,
        task: Task,
        optimizer: Optimizer,
        *,
        precision: Precision,
        max_gradient_norm: float | None,
        processes: Distributed,
        by_micro_batch: bool = False,
    ) -> None:
        self.scaler = make_scaler(precision)
        self._task = task
        self._optimizer = optimizer
        self._precision = precision
        self._max_norm = float("inf") if max_gradient_norm is None else max_gradient_norm
        self._processes = processes
        self._by_micro_batch = by_micro_batch
        self._module: Task | DistributedDataParallel = task
        if processes.world_size > 1:
            ids = [processes.local_rank] if processes.device.type == "cuda" else None
            self._module = DistributedDataParallel(task, device_ids=ids)

    def run(self, batches: Sequence[Batch], totals: Mapping[str, float]) -> StepResult:
        """Update the weights once, unless a loss or the gradient norm is not finite on any process.

        Args:
            batches: Micro-batches of this process.
            totals: Loss name -> number of targets in all micro-batches of all processes.

        Returns:
            Result of the step.

        Raises:
            OutOfMemoryError: A micro-batch does not fit into memory.
        """
        with memory_errors_explained(batches, "train"):
            result = self.gradient(batches, totals)
            if not result.problem:
                self.scaler.step(self._optimizer)
            self.scaler.update()
        return result

    def dry_run(self, batch: Batch) -> None:
        """Run forward and backward without an update, so that memory and compiler errors surface early.

        Raises:
            OutOfMemoryError: The batch does not fit into memory.
        """
        buffers = {name: value.clone() for name, value in self._task.named_buffers()}
        with memory_errors_explained([batch], "train"):
            with autocast(self._precision, self._processes.device):
                sums = self._task(batch.to(self._processes.device)).sums
            torch.stack(list(sums.values())).sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():  # undo changes to running statistics of norms
            for name, value in self._task.named_buffers():
                value.copy_(buffers[name])

    def gradient(self, batches: Sequence[Batch], totals: Mapping[str, float]) -> StepResult:
        """Compute the clipped gradient of the whole step into the parameters; arguments as for `run`."""
        self._optimizer.zero_grad(set_to_none=True)
        outputs = [
            self._backward(batch, totals, is_last=index == len(batches) - 1)
            for index, batch in enumerate(batches)
        ]
        self.scaler.unscale_(self._optimizer)
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        norm = float(clip_grad_norm_(parameters, self._max_norm))
        result = StepResult(_sums(outputs), _mean_report(outputs), norm)
        return replace(result, problem=self._problem(result, batches))

    def _backward(self, batch: Batch, totals: Mapping[str, float], *, is_last: bool) -> StepOutput:
        """Add one micro-batch's gradient; processes exchange gradients only with the last one."""
        device, world_size = self._processes.device, self._processes.world_size
        with self._no_exchange() if not is_last else nullcontext():
            with autocast(self._precision, device):
                output: StepOutput = self._module(batch.to(device))
            counts = self._task.count_targets(batch) if self._by_micro_batch else totals
            means = [total.float() / max(counts[name], 1) for name, total in output.sums.items()]
            # times world_size because DistributedDataParallel averages gradients where a sum is needed
            factor = 1 if self._by_micro_batch else world_size
            loss = self.scaler.scale(torch.stack(means).sum() * factor)
            loss.backward()  # type: ignore[no-untyped-call]
        return StepOutput({name: total.detach() for name, total in output.sums.items()}, output.report)

    def _no_exchange(self) -> AbstractContextManager[None]:
        if isinstance(self._module, DistributedDataParallel):
            return self._module.no_sync()
        return nullcontext()

    def _problem(self, result: StepResult, batches: Sequence[Batch]) -> str:
        """Return the problems of all ranks, so that all of them stop or skip the step together."""
        values = {f"loss {name!r}": total for name, total in result.sums.items()}
        # fp16 gradients overflow now and then; the scaler then skips the step and lowers its scale.
        if self.scaler.get_scale() <= 1:
            values["gradient norm"] = result.gradient_norm
        here = what_is_not_finite(values, batches, rank=self._processes.rank)
        return "; ".join(problem for problem in gather_objects([here], self._processes) if problem)


def _sums(outputs: Sequence[StepOutput]) -> dict[str, float]:
    names = list(outputs[0].sums)
    table: Tensor = torch.stack([torch.stack([output.sums[name] for name in names]) for output in outputs])
    return dict(zip(names, table.double().sum(dim=0).tolist(), strict=True))


def _mean_report(outputs: Sequence[StepOutput]) -> dict[str, float]:
    names = outputs[0].report
    return {name: sum(output.report[name] for output in outputs) / len(outputs) for name in names}
