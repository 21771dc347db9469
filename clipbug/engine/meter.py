"""Accumulate what is logged about training steps: losses, gradient norm, throughput, data wait."""

from collections.abc import Mapping

from clipbug.engine.losses import LossTotals
from clipbug.engine.step import StepResult
from clipbug.runtime.distributed import Distributed, all_reduce_sums

_REPORT = "report/"


class StepMeter:
    """Accumulates numbers of steps between two logs.

    Args:
        saved: Result of `state` to continue from; only one process may get it.
    """

    def __init__(self, saved: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self._begin(saved or {})

    def _begin(self, saved: Mapping[str, Mapping[str, float]]) -> None:
        self._losses = LossTotals(saved.get("sums", {}), saved.get("counts", {}))
        self._numbers: dict[str, float] = dict(saved.get("numbers", {}))
        self._gradient_norm = saved.get("last", {}).get("gradient_norm", 0.0)

    def add(
        self,
        result: StepResult,
        counts: Mapping[str, int],
        *,
        visuals: int,
        seconds: float,
        waited_seconds: float,
    ) -> None:
        """Add a step of this process: its duration, including the time spent waiting for data."""
        self._losses.add(result.sums, counts)
        self._gradient_norm = result.gradient_norm
        report = {f"{_REPORT}{name}": value for name, value in result.report.items()}
        numbers = {"steps": 1, "visuals": visuals, "seconds": seconds, "waited": waited_seconds, **report}
        for name, value in numbers.items():
            self._numbers[name] = self._numbers.get(name, 0.0) + value

    def state(self, processes: Distributed) -> dict[str, dict[str, float]]:
        """Return all numbers, summed over all processes, which must all call it; empty if there are none."""
        numbers = all_reduce_sums(self._numbers, processes)
        sums, counts = self._losses.totals(processes)
        if not numbers:
            return {}
        return {
            "sums": sums,
            "counts": counts,
            "numbers": numbers,
            "last": {"gradient_norm": self._gradient_norm},
        }

    def drain(self, processes: Distributed) -> dict[str, float]:
        """Return the numbers over all processes since the last call, and reset. All processes must call it.

        Returns:
            Losses and the task's scalars averaged over the steps, and the last step's gradient norm; empty if
            there was no step.
        """
        numbers = all_reduce_sums(self._numbers, processes)
        losses = self._losses.means(processes)
        gradient_norm = self._gradient_norm
        self._begin({})
        if not numbers:
            return {}
        reports = {name: value for name, value in numbers.items() if name.startswith(_REPORT)}
        seconds = max(numbers["seconds"], 1e-9)
        return {
            **losses,
            **{name.removeprefix(_REPORT): value / numbers["steps"] for name, value in reports.items()},
            "gradient_norm": gradient_norm,
            "samples_per_second": numbers["visuals"] * processes.world_size / seconds,
            "data_wait_share": numbers["waited"] / seconds,
        }
