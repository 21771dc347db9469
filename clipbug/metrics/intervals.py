"""Confidence intervals of scores."""

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
    """Return the percentile bootstrap interval of the mean score, resampling whole clusters.

    Records of one recording are not independent, so recordings are resampled, not records. A single recording
    tells nothing about others: its interval is (0, 1).

    Args:
        scores: One per record, in [0, 1].
        clusters: Recording of each record.
        confidence: Share of resampled means inside the interval.
        num_resamples: Number of resamples.
        seed: Random seed.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: There are no scores, the sequences differ in length, or `confidence` is outside (0, 1).
    """
    if not scores:
        raise ValueError("scores must not be empty")
    if len(scores) != len(clusters):
        raise ValueError(f"expected one cluster per score, got {len(clusters)} for {len(scores)} scores")
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
