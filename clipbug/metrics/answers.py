"""Scores of answers against weighted labels, and the best score that can be reached."""

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from clipbug.metrics.text import fold

Labels = Mapping[str, float]


def answer_score(answer: str | None, labels: Labels) -> float:
    """The weight of the labels that equal the answer up to case and space; 0 for no answer.

    Labels that differ in case and space only ("STOP", "Stop") are one, of their summed weight (at most 1).
    """
    return 0.0 if answer is None else _folded(labels).get(fold(answer), 0.0)


def best_score(labels: Labels, answers: Collection[str] | None = None) -> float:
    """The greatest score that any answer gets, or any of `answers` (a vocabulary, already folded)."""
    weights = _folded(labels)
    return max(
        (weight for answer, weight in weights.items() if answers is None or answer in answers), default=0.0
    )


def ceiling(labels: Sequence[Labels], answers: Sequence[str] | None = None) -> float:
    """The mean score of a model that is right whenever its vocabulary allows it.

    Below 1 where answers are missing from the vocabulary or where the weight is split over several labels.

    Raises:
        ValueError: there are no rows.
    """
    vocabulary = None if answers is None else {fold(answer) for answer in answers}
    return mean([best_score(row, vocabulary) for row in labels])


def out_of_vocabulary_share(labels: Sequence[Labels], answers: Sequence[str]) -> float:
    """The share of rows to which the vocabulary has no answer that scores.

    Raises:
        ValueError: there are no rows.
    """
    vocabulary = {fold(answer) for answer in answers}
    return mean([float(best_score(row, vocabulary) == 0) for row in labels])


def mean(scores: Sequence[float]) -> float:
    """The mean. Raises ValueError for no scores, which no number can stand for."""
    if not scores:
        raise ValueError("no scores to average")
    return fmean(scores)


def _folded(labels: Labels) -> dict[str, float]:
    weights: dict[str, float] = {}
    for label, weight in labels.items():
        weights[fold(label)] = min(1.0, weights.get(fold(label), 0.0) + weight)
    return weights
