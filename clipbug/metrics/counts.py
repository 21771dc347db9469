"""Error of predicted counts."""

from collections.abc import Sequence
from statistics import fmean


def mean_squared_error(given: Sequence[float], right: Sequence[float]) -> float:
    """Return the mean squared error, which TGIF-QA reports for rounded counts; lower is better.

    Args:
        given: Predicted numbers.
        right: Correct numbers.

    Returns:
        The mean squared error.

    Raises:
        ValueError: There are no numbers, or the lengths differ.
    """
    if not given:
        raise ValueError("given must not be empty")
    return fmean((one - other) ** 2 for one, other in zip(given, right, strict=True))
