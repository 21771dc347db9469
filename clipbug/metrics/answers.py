"""Score answers against weighted labels, and compute the best possible score."""

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from clipbug.metrics.text import fold

Labels = Mapping[str, float]


def answer_score(answer: str | None, labels: Labels) -> float:
    """Return the weight of the labels that equal the answer up to case and whitespace; 0 for no answer.

    Labels that differ only in case or whitespace ("STOP", "Stop") are merged, with their summed weight (at
    most 1).

    Returns:
        Score in [0, 1].
    """
    return 0.0 if answer is None else _folded(labels).get(fold(answer), 0.0)


def best_score(labels: Labels, answers: Collection[str] | None = None) -> float:
    """Return the best score of any answer, or of any in `answers` (a vocabulary, already folded)."""
    weights = _folded(labels)
    return max(
        (weight for answer, weight in weights.items() if answers is None or answer in answers), default=0.0
    )


def ceiling(labels: Sequence[Labels], answers: Sequence[str] | None = None) -> float:
    """Return the mean score of a model that is right whenever its vocabulary allows it.

    It is below 1 if answers are missing from the vocabulary or weight is split over several labels.

    Args:
        labels: Labels of each record.
        answers: The vocabulary; None for all answers.

    Returns:
        Mean of the best scores.

    Raises:
        ValueError: `labels` is empty.
    """
    vocabulary = None if answers is None else {fold(answer) for answer in answers}
    return mean([best_score(row, vocabulary) for row in labels])


def out_of_vocabulary_share(labels: Sequence[Labels], answers: Sequence[str]) -> float:
    """Return the share of records for which no answer of the vocabulary scores.

    Args:
        labels: Labels of each record.
        answers: The vocabulary.

    Returns:
        Share in [0, 1].

    Raises:
        ValueError: `labels` is empty.
    """
    vocabulary = {fold(answer) for answer in answers}
    return mean([float(best_score(row, vocabulary) == 0) for row in labels])


def mean(scores: Sequence[float]) -> float:
    """Return the mean. Raises ValueError for no scores, for which no number is right."""
    if not scores:
        raise ValueError("scores must not be empty")
    return fmean(scores)


def _folded(labels: Labels) -> dict[str, float]:
    weights: dict[str, float] = {}
    for label, weight in labels.items():
        weights[fold(label)] = min(1.0, weights.get(fold(label), 0.0) + weight)
    return weights
