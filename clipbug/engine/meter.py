"""What is logged of training steps: losses, gradient norm, speed, waiting."""

from collections.abc import Mapping

from clipbug.engine.losses import LossTotals
from clipbug.engine.step import StepResult
from clipbug.runtime.distributed import Distributed, all_reduce_sums

_REPORT = "report/"


class StepMeter:
    """Gathers numbers of steps from one log to the next.

    Args:
        saved: what `state` gave, to go on from; only one process may get it.
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
        """Count one step of this process: its duration and the part of it spent waiting for data."""
        self._losses.add(result.sums, counts)
        self._gradient_norm = result.gradient_norm
        report = {f"{_REPORT}{name}": value for name, value in result.report.items()}
        numbers = {"steps": 1, "visuals": visuals, "seconds": seconds, "waited": waited_seconds, **report}
        for name, value in numbers.items():
            self._numbers[name] = self._numbers.get(name, 0.0) + value

    def state(self, processes: Distributed) -> dict[str, dict[str, float]]:
        """All that has been gathered, summed over all processes, which all must call it; empty if nothing."""
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
        """The numbers over all processes since the last time, and begin anew. All processes must call it.

        Losses and the task's scalars are means over the steps; the gradient norm is the last step's. Empty if
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
