"""Answer vocabulary: the answers that a model can give, and the class of each."""

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

_HINT = 'expected one JSON object {"answer": index, ...} that uses each index 0, 1, 2 ... once'


class AnswerVocabulary:
    """Answers in class order.

    Args:
        answers: Distinct answers, the first being class 0.

    Raises:
        ValueError: `answers` is empty or contains an answer twice.
    """

    def __init__(self, answers: Sequence[str]) -> None:
        if not answers:
            raise ValueError("answers must contain at least one answer, got none")
        self.answers = tuple(answers)
        self._index = {answer: index for index, answer in enumerate(self.answers)}
        if len(self._index) < len(self.answers):
            raise ValueError(f"answers must be distinct, got {_most_common(self.answers)!r} more than once")
        self._folded_index: dict[str, int] = {}
        for index, answer in enumerate(self.answers):
            self._folded_index.setdefault(fold(answer), index)

    @classmethod
    def from_records(cls, records: Iterable[QuestionRecord], *, min_count: int = 1) -> Self:
        """Collect the answers of records, most frequent first and ties in alphabetical order.

        Answers that differ only in case or whitespace are merged under their most frequent spelling.

        Args:
            records: Records to count; those without labels contribute nothing.
            min_count: Drop answers that fewer records have.

        Returns:
            The vocabulary.

        Raises:
            DataError: No answer remains.
        """
        spellings: dict[str, Counter[str]] = {}
        counts: Counter[str] = Counter()
        for record in records:
            counts.update({fold(answer) for answer in record.labels})
            for answer in record.labels:
                spellings.setdefault(fold(answer), Counter())[answer] += 1
        kept = {_most_common(spellings[key].elements()): n for key, n in counts.items() if n >= min_count}
        if not kept:
            reason = (
                f"none of {len(counts)} answers occurs at least {min_count} times"
                if counts
                else "no record has an answer"
            )
            raise DataError(
                f"the answer vocabulary would be empty: {reason}",
                "lower data.min_answer_count, or give a vocabulary with --answers FILE",
            )
        return cls(sorted(kept, key=lambda answer: (-kept[answer], answer)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a vocabulary from a JSON object {answer: index}.

        Args:
            path: JSON file.

        Returns:
            The vocabulary.

        Raises:
            DataError: The file cannot be read, or its indices are not 0, 1, 2 ... with one answer each.
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
        """Read a vocabulary for a head that may have more classes than the file has answers.

        ClipBERT's heads have at least 1500 classes, however few answers there are. Classes without an answer
        get a placeholder (see `unnamed_answer`).

        Args:
            path: JSON file, as for `load`, except that indices may be missing.
            num_classes: Number of classes of the head.

        Returns:
            A vocabulary of `num_classes` answers.

        Raises:
            DataError: The file cannot be read, or an index is out of range for the head.
        """
        try:
            indices = read_json(path)
        except (OSError, ValueError):
            return cls.load(path)  # raises an error that says what is wrong
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
                "use the vocabulary that the weights were trained with",
            )
        answers = {index: answer for answer, index in indices.items()}
        return cls([answers.get(index, unnamed_answer(index)) for index in range(num_classes)])

    @property
    def num_unnamed(self) -> int:
        """Return the number of classes without an answer."""
        return sum(answer == unnamed_answer(index) for index, answer in enumerate(self.answers))

    def save(self, path: Path) -> None:
        """Write the vocabulary as a JSON object {answer: index}.

        Raises:
            ClipbugError: The file cannot be written.
        """
        atomic_write(path, json.dumps(self._index, ensure_ascii=False, indent=1) + "\n")

    def index_of(self, answer: str) -> int | None:
        """Return the class of an answer, or of the first answer that differs only in case or whitespace."""
        exact = self._index.get(answer)
        return self._folded_index.get(fold(answer)) if exact is None else exact

    def answer_at(self, index: int) -> str:
        """Return the answer of a class."""
        if not 0 <= index < len(self.answers):
            raise IndexError(f"index must be in [0, {len(self.answers)}), got {index}")
        return self.answers[index]

    def __len__(self) -> int:
        return len(self.answers)


def unnamed_answer(index: int) -> str:
    """Return the placeholder for a class without an answer."""
    return f"[class {index} has no answer]"


def fold(answer: str) -> str:
    """Normalize case and whitespace, so that equal keys mean equal answers (see `clipbug.metrics.text`)."""
    return " ".join(answer.casefold().split())


def _most_common(texts: Iterable[str]) -> str:
    counts = Counter(texts)
    return min(counts, key=lambda text: (-counts[text], text))


def _problem_of(indices: Any) -> str:
    """Return what is wrong with a parsed file; empty if nothing is."""
    if not isinstance(indices, Mapping):
        return f"expected a JSON object, got {type(indices).__name__}"
    if not indices:
        return "it contains no answers"
    owners: dict[int, str] = {}
    for answer, index in indices.items():
        if type(index) is not int or index < 0:
            return f"the index of answer {answer!r} is {json.dumps(index)}, expected an integer >= 0"
        if index in owners:
            return f"answers {owners[index]!r} and {answer!r} have the same index {index}"
        owners[index] = answer
    missing = next((index for index in range(len(owners)) if index not in owners), None)
    return "" if missing is None else f"it has {len(owners)} answers, but none with index {missing}"
