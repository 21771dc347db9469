"""Mean losses over batches and processes, computed the same way in training and validation."""

from collections.abc import Mapping

from clipbug.runtime.distributed import Distributed, all_reduce_sums


class LossTotals:
    """Accumulates loss sums and target counts; a mean of batch means would overweight short batches.

    Args:
        sums: Initial loss sums.
        counts: Initial target counts.
    """

    def __init__(
        self, sums: Mapping[str, float] | None = None, counts: Mapping[str, float] | None = None
    ) -> None:
        self._sums: dict[str, float] = dict(sums or {})
        self._counts: dict[str, float] = dict(counts or {})

    def add(self, sums: Mapping[str, float], counts: Mapping[str, float]) -> None:
        """Add a batch of this process."""
        for totals, values in ((self._sums, sums), (self._counts, counts)):
            for name, value in values.items():
                totals[name] = totals.get(name, 0) + value

    def totals(self, processes: Distributed) -> tuple[dict[str, float], dict[str, float]]:
        """Return (loss sums, target counts) over all processes, which must all call it."""
        return all_reduce_sums(self._sums, processes), all_reduce_sums(self._counts, processes)

    def means(self, processes: Distributed) -> dict[str, float]:
        """Return mean losses over all processes, which must all call it.

        Returns:
            The total as "loss" and, if there are several, each as "loss_<name>"; empty without batches.
        """
        sums, counts = self.totals(processes)
        means = {name: value / max(counts[name], 1) for name, value in sums.items()}
        parts = {f"loss_{name}": mean for name, mean in means.items()} if len(means) > 1 else {}
        return {"loss": sum(means.values()), **parts} if means else {}
