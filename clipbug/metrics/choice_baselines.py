"""What can be chosen among options without looking at any picture."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from clipbug.metrics.text import fold, words_of


class ChoiceQuestion(Protocol):
    """What a row of multiple choice says."""

    @property
    def question(self) -> str:
        """As asked; may be empty."""

    @property
    def options(self) -> tuple[str, ...]:
        """Answers to choose from."""

    @property
    def answer(self) -> int | None:
        """Index of the right one."""


class TrainingChoices:
    """Which options were right in training. Rows without answer say nothing."""

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
        """The index that was right most often, of those that the row has."""
        return max(range(len(row.options)), key=lambda index: (self._positions[index], -index))

    def question_only(self, row: ChoiceQuestion) -> int:
        """The option that was right most often for the same question, else whenever it was offered."""
        seen = self._by_question.get(_key(row.question), Counter())
        return max(
            range(len(row.options)), key=lambda index: (*self._weight(row.options[index], seen), -index)
        )

    def _weight(self, option: str, seen: Counter[str]) -> tuple[int, float]:
        key = fold(option)
        # One imagined offer in two keeps an option that was offered once from being certain.
        return seen[key], (self._right[key] + 0.5) / (self._offered[key] + 1)


def expected_by_chance(rows: Sequence[ChoiceQuestion]) -> float:
    """The accuracy of a random choice.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("no rows to choose in")
    return sum(1 / len(row.options) for row in rows) / len(rows)


def _key(question: str) -> str:
    return " ".join(words_of(question))
