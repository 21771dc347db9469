"""How far a score of few rows can be trusted."""

from collections.abc import Sequence

import numpy as np


def bootstrap_interval(
    scores: Sequence[float],
    clusters: Sequence[str],
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean score, in which whole clusters are drawn.

    Rows of one recording are not independent of each other, so recordings are drawn, not rows. One recording
    alone says nothing about others: its interval is (0, 1).

    Args:
        scores: one per row, in [0, 1].
        clusters: the recording of each row.
        confidence: share of resampled means inside the interval.
        num_resamples: draws.
        seed: of the draws.

    Raises:
        ValueError: there are no scores, the sequences differ in length, or `confidence` is outside (0, 1).
    """
    if not scores or len(scores) != len(clusters):
        raise ValueError(f"as many clusters as scores are needed, got {len(scores)} and {len(clusters)}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    if len(numbers) == 1:
        return 0.0, 1.0
    members = [numbers[name] for name in clusters]
    sums = np.bincount(members, weights=np.asarray(scores, dtype=np.float64))
    sizes = np.bincount(members)
    generator = np.random.default_rng(seed)
    means = np.empty(num_resamples)
    for index in range(num_resamples):
        drawn = generator.integers(len(numbers), size=len(numbers))
        means[index] = sums[drawn].sum() / sizes[drawn].sum()
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
