"""The answers that a model can give, each with its class."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from clipbug.data.records import QuestionRecord
from clipbug.errors import DataError
from clipbug.runtime.files import atomic_write
from clipbug.runtime.json_reading import read_json
from clipbug.runtime.mistaken_files import refuse_mistaken

_HINT = 'it holds one JSON object {"answer": index, ...} with each of 0, 1, 2 ... once'


class AnswerVocabulary:
    """Answers in the order of their classes.

    Args:
        answers: no text twice.

    Raises:
        ValueError: there is no answer, or one occurs twice.
    """

    def __init__(self, answers: Sequence[str]) -> None:
        if not answers:
            raise ValueError("answers must hold at least one answer, got none")
        self.answers = tuple(answers)
        self._index = {answer: index for index, answer in enumerate(self.answers)}
        if len(self._index) < len(self.answers):
            raise ValueError(f"answers must differ, got {_most_common(self.answers)!r} more than once")
        self._folded_index: dict[str, int] = {}
        for index, answer in enumerate(self.answers):
            self._folded_index.setdefault(fold(answer), index)

    @classmethod
    def from_records(cls, records: Iterable[QuestionRecord], *, min_count: int = 1) -> Self:
        """The answers of the records, those of most records first, equals by text.

        Answers that differ in case and space only are one, in the spelling that most records have.

        Args:
            records: rows without answers add nothing.
            min_count: answers of fewer records are left out.

        Raises:
            DataError: no answer is left.
        """
        spellings: dict[str, Counter[str]] = {}
        counts: Counter[str] = Counter()
        for record in records:
            counts.update({fold(answer) for answer in record.labels})
            for answer in record.labels:
                spellings.setdefault(fold(answer), Counter())[answer] += 1
        kept = {_most_common(spellings[key].elements()): n for key, n in counts.items() if n >= min_count}
        if not kept:
            seen = (
                f"none of {len(counts)} answers occurs {min_count} times"
                if counts
                else "no row has an answer"
            )
            raise DataError(
                f"there is nothing to make an answer vocabulary of: {seen}",
                "lower data.min_answer_count, or name a vocabulary with --answers FILE",
            )
        return cls(sorted(kept, key=lambda answer: (-kept[answer], answer)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read {answer: index}.

        Raises:
            DataError: the file cannot be read, or its indices are not 0, 1, 2 ... with one answer each.
        """
        refuse_mistaken(path, error=DataError)
        try:
            indices = read_json(path)
        except OSError as error:
            raise DataError(f"answer vocabulary {path} cannot be read: {error.strerror}", _HINT) from error
        except ValueError as error:
            raise DataError(f"answer vocabulary {path}: {error}", _HINT) from error
        problem = _problem_of(indices)
        if problem:
            raise DataError(f"answer vocabulary {path}: {problem}", _HINT)
        return cls(sorted(indices, key=indices.__getitem__))

    @classmethod
    def load_for_classes(cls, path: Path, num_classes: int) -> Self:
        """As `load`, for a head with more classes than the file has answers: those get a name that says so.

        The original's heads have at least 1500 classes, however few answers there are.

        Raises:
            DataError: as `load`, except that indices may be missing; an index of no class.
        """
        try:
            indices = read_json(path)
        except (OSError, ValueError):
            return cls.load(path)  # which says what is wrong
        if not isinstance(indices, Mapping) or not indices:
            return cls.load(path)
        wrong = next((answer for answer, index in indices.items() if type(index) is not int), None)
        if wrong is not None or len(set(indices.values())) < len(indices):
            return cls.load(path)
        outside = next((answer for answer, i in indices.items() if not 0 <= i < num_classes), None)
        if outside is not None:
            raise DataError(
                f"answer vocabulary {path}: {outside!r} has index {indices[outside]}, but the head has"
                f" {num_classes} classes",
                "give the vocabulary that the weights were trained with",
            )
        answers = {index: answer for answer, index in indices.items()}
        return cls([answers.get(index, unnamed_answer(index)) for index in range(num_classes)])

    @property
    def num_unnamed(self) -> int:
        """Classes without an answer."""
        return sum(answer == unnamed_answer(index) for index, answer in enumerate(self.answers))

    def save(self, path: Path) -> None:
        """Write {answer: index}.

        Raises:
            ClipbugError: the file cannot be written.
        """
        atomic_write(path, json.dumps(self._index, ensure_ascii=False, indent=1) + "\n")

    def index_of(self, answer: str) -> int | None:
        """The class of an answer: of the same text, else of the first that differs in case and space only."""
        exact = self._index.get(answer)
        return self._folded_index.get(fold(answer)) if exact is None else exact

    def answer_at(self, index: int) -> str:
        """The answer of a class."""
        if not 0 <= index < len(self.answers):
            raise IndexError(f"index must be in [0, {len(self.answers)}), got {index}")
        return self.answers[index]

    def __len__(self) -> int:
        return len(self.answers)


def unnamed_answer(index: int) -> str:
    """What a class without an answer is called."""
    return f"[class {index} has no answer]"


def fold(answer: str) -> str:
    """What answers that count as the same have in common (as in `clipbug.metrics.text`)."""
    return " ".join(answer.casefold().split())


def _most_common(texts: Iterable[str]) -> str:
    counts = Counter(texts)
    return min(counts, key=lambda text: (-counts[text], text))


def _problem_of(indices: Any) -> str:
    """What is wrong with a parsed file, or nothing."""
    if not isinstance(indices, Mapping):
        return f"a JSON object is expected, not {type(indices).__name__}"
    if not indices:
        return "it holds no answer"
    owners: dict[int, str] = {}
    for answer, index in indices.items():
        if type(index) is not int or index < 0:
            return (
                f"the index of answer {answer!r} is {json.dumps(index)}, which is no whole number from 0 on"
            )
        if index in owners:
            return f"answers {owners[index]!r} and {answer!r} have the same index {index}"
        owners[index] = answer
    missing = next((index for index in range(len(owners)) if index not in owners), None)
    return "" if missing is None else f"{len(owners)} answers, but none has index {missing}"
