"""Multiple-choice baselines that see no frame."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from clipbug.metrics.text import fold, words_of


class ChoiceQuestion(Protocol):
    """A multiple-choice record."""

    @property
    def question(self) -> str:
        """Return the question; may be empty."""

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options."""

    @property
    def answer(self) -> int | None:
        """Return the index of the correct option, or None."""


class TrainingChoices:
    """Counts which options were correct in training. Records without an answer are ignored."""

    def __init__(self, rows: Iterable[ChoiceQuestion]) -> None:
        self._positions: Counter[int] = Counter()
        self._right: Counter[str] = Counter()
        self._offered: Counter[str] = Counter()
        self._by_question: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for row in rows:
            if row.answer is not None:
                right = fold(row.options[row.answer])
                self._positions[row.answer] += 1
                self._right[right] += 1
                self._offered.update(fold(option) for option in row.options)
                self._by_question[_key(row.question)][right] += 1

    def majority(self, row: ChoiceQuestion) -> int:
        """Return the index that was correct most often, among those that the record has."""
        return max(range(len(row.options)), key=lambda index: (self._positions[index], -index))

    def question_only(self, row: ChoiceQuestion) -> int:
        """Return the option that was correct most often for the same question, else whenever offered."""
        seen = self._by_question.get(_key(row.question), Counter())
        return max(
            range(len(row.options)), key=lambda index: (*self._weight(row.options[index], seen), -index)
        )

    def _weight(self, option: str, seen: Counter[str]) -> tuple[int, float]:
        key = fold(option)
        # Smoothing: half a correct offer in one keeps an option that was offered once from being certain.
        return seen[key], (self._right[key] + 0.5) / (self._offered[key] + 1)


def expected_by_chance(rows: Sequence[ChoiceQuestion]) -> float:
    """Return the expected accuracy of a random choice.

    Args:
        rows: Records.

    Returns:
        Accuracy in [0, 1].

    Raises:
        ValueError: `rows` is empty.
    """
    if not rows:
        raise ValueError("rows must not be empty")
    return sum(1 / len(row.options) for row in rows) / len(rows)


def _key(question: str) -> str:
    return " ".join(words_of(question))
