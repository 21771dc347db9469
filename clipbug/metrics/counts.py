"""How far counted numbers are from the right ones."""

from collections.abc import Sequence
from statistics import fmean


def mean_squared_error(given: Sequence[float], right: Sequence[float]) -> float:
    """The mean squared distance, which TGIF-QA reports for rounded counts; lower is better.

    Raises:
        ValueError: there are no numbers, or not as many of both.
    """
    if not given:
        raise ValueError("no numbers to take an error of")
    return fmean((one - other) ** 2 for one, other in zip(given, right, strict=True))
