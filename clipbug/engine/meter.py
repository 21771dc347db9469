"""What is logged of training steps: losses, gradient norm, speed, waiting."""

from collections.abc import Mapping

from clipbug.engine.losses import LossTotals
from clipbug.engine.step import StepResult
from clipbug.runtime.distributed import Distributed, all_reduce_sums


class StepMeter:
    """Gathers numbers of steps from one log to the next."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._losses = LossTotals()
        self._report: dict[str, float] = {}
        self._num_steps = 0
        self._times = {"visuals": 0.0, "seconds": 0.0, "waited": 0.0}
        self._gradient_norm = 0.0

    def add(
        self,
        result: StepResult,
        counts: Mapping[str, int],
        *,
        visuals: int,
        seconds: float,
        waited_seconds: float,
    ) -> None:
        """Count one step of this process: its duration and the part of it spent waiting for data."""
        self._losses.add(result.sums, counts)
        for name, value in result.report.items():
            self._report[name] = self._report.get(name, 0) + value
        self._num_steps += 1
        self._gradient_norm = result.gradient_norm
        for name, value in (("visuals", visuals), ("seconds", seconds), ("waited", waited_seconds)):
            self._times[name] += value

    def drain(self, processes: Distributed) -> dict[str, float]:
        """The numbers over all processes since the last time, and begin anew. All processes must call it.

        Losses and the task's scalars are means over the steps; the gradient norm is the last step's.
        """
        times = all_reduce_sums(self._times, processes)
        seconds = max(times["seconds"] / processes.world_size, 1e-9)
        reports = all_reduce_sums(self._report, processes)
        num_reports = max(self._num_steps, 1) * processes.world_size
        scalars = {
            **self._losses.means(processes),
            **{name: value / num_reports for name, value in reports.items()},
            "gradient_norm": self._gradient_norm,
            "samples_per_second": times["visuals"] / seconds,
            "data_wait_share": times["waited"] / processes.world_size / seconds,
        }
        self._reset()
        return scalars
