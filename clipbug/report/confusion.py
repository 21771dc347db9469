"""Confusion matrix of the answers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clipbug.report.contents import Card

_MAX_ANSWERS = 14
_MAX_PAIRS = 10


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of correct answers (rows) against predicted answers (columns), and the most frequent mistakes.

    Attributes:
        answers: the most frequent correct answers, grouped by type.
        counts: a row for each of them; a column for each of them, and a last one for all other answers.
        pairs: (correct answer, predicted answer, count) over all answers, most frequent first.
    """

    answers: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    pairs: tuple[tuple[str, str, int], ...]


def confusion_of(cards: Sequence[Card]) -> Confusion:
    """Return the confusion of the labelled cards; any answer with a positive score counts as correct."""
    known = [card for card in cards if card.expected is not None]
    right = [_right_answer(card) for card in known]
    frequent = [answer for answer, _ in Counter(right).most_common(_MAX_ANSWERS)]
    types = {answer: card.answer_type for answer, card in zip(right, known, strict=True)}
    answers = sorted(frequent, key=lambda answer: (types[answer], frequent.index(answer)))
    cells = Counter(
        (answer, given if given in frequent else None)
        for answer, given in ((answer, _given(card)) for answer, card in zip(right, known, strict=True))
    )
    mistakes = Counter(
        (answer, _given(card)) for answer, card in zip(right, known, strict=True) if card.verdict == "wrong"
    )
    return Confusion(
        answers=tuple(answers),
        counts=tuple(tuple(cells[row, column] for column in (*answers, None)) for row in answers),
        pairs=tuple((*pair, count) for pair, count in mistakes.most_common(_MAX_PAIRS)),
    )


def _right_answer(card: Card) -> str:
    """Return the label that the answer matches, else the label of greatest weight."""
    if card.score:
        return _given(card)
    assert card.expected is not None, "callers pass only cards with labels"
    return card.expected.strip().lower()


def _given(card: Card) -> str:
    return card.answer.strip().lower()
