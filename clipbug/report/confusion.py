"""Which answer was given where another one is right."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clipbug.report.contents import Card

_MAX_ANSWERS = 14
_MAX_PAIRS = 10


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of right answers (rows) against given ones (columns), and the most frequent mistakes.

    Attributes:
        answers: the most frequent right answers, those of one type together.
        counts: a row for each of them, a column for each of them and a last one for all other answers.
        pairs: (right answer, given answer, count), most frequent first; over all answers.
    """

    answers: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    pairs: tuple[tuple[str, str, int], ...]


def confusion_of(cards: Sequence[Card]) -> Confusion:
    """Count over the cards whose right answer is known; an answer that scores counts as the right one."""
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
    """The label that the answer hit, else the best label."""
    if card.score:
        return _given(card)
    assert card.expected is not None, "callers keep cards with labels only"
    return card.expected.strip().lower()


def _given(card: Card) -> str:
    return card.answer.strip().lower()
