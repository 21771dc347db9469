"""Baselines that see no frame, from the training answers alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clipbug.errors import DataError
from clipbug.metrics.text import fold, words_of


class AnsweredQuestion(Protocol):
    """A training record with a question and its answers."""

    @property
    def question(self) -> str:
        """Return the question."""

    @property
    def labels(self) -> Mapping[str, float]:
        """Return answer -> weight."""


@dataclass(frozen=True)
class TrainingAnswers:
    """Most frequent training answers, overall and by question. Small enough to store in a run directory.

    Attributes:
        majority: Answer of greatest total weight; None if no record has an answer.
        by_question: Words of a question -> its answer of greatest weight; frequent questions first.
    """

    majority: str | None
    by_question: Mapping[str, str]

    @classmethod
    def from_records(cls, records: Iterable[AnsweredQuestion]) -> "TrainingAnswers":
        """Count the answers of training records, ignoring case and whitespace."""
        overall: defaultdict[str, float] = defaultdict(float)
        by_question: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        rows: Counter[str] = Counter()
        for record in records:
            question = _key(record.question)
            rows[question] += bool(record.labels)
            for answer, weight in record.labels.items():
                overall[answer] += weight
                by_question[question][answer] += weight
        order = sorted(by_question, key=lambda question: (-rows[question], question))
        majority = _heaviest(overall) if overall else None
        return cls(majority, {question: _heaviest(by_question[question]) for question in order})

    def answer(self, question: str) -> str | None:
        """Guess the answer to a question from its words.

        It is the answer to the same question, else to the most similar one by Jaccard similarity of the words
        (on a tie, the more frequent question), else the majority answer.

        Returns:
            The answer, or None if no training record has one.
        """
        key = _key(question)
        if key not in self.by_question:
            return self._of_most_similar(frozenset(key.split()))
        return self.by_question[key]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that `from_json` reads."""
        return {"majority": self.majority, "by_question": dict(self.by_question)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TrainingAnswers":
        """Read the object that `to_json` returned.

        Returns:
            The statistics.

        Raises:
            DataError: The object has another structure.
        """
        majority, by_question = value.get("majority"), value.get("by_question")
        if not isinstance(majority, str | None) or not isinstance(by_question, dict):
            raise DataError(
                f"not a valid object of training answers: its fields are {', '.join(value) or 'none'}",
                "training_answers.json of the run directory is damaged; copy it again or retrain",
            )
        return cls(majority, by_question)

    def _of_most_similar(self, words: frozenset[str]) -> str | None:
        answers, sizes, postings = self._index
        common = np.zeros(len(answers))
        for word in words & postings.keys():
            common[postings[word]] += 1
        if not common.any():
            return self.majority
        return answers[int(np.argmax(common / (sizes + len(words) - common)))]

    @cached_property
    def _index(self) -> tuple[list[str], NDArray[np.int64], dict[str, NDArray[np.int64]]]:
        """Return the answers, the numbers of words by question, and the questions of each word."""
        word_sets = [set(question.split()) for question in self.by_question]
        postings: dict[str, list[int]] = {}
        for index, words in enumerate(word_sets):
            for word in words:
                postings.setdefault(word, []).append(index)
        sizes = np.array([len(words) for words in word_sets], dtype=np.int64)
        arrays = {word: np.array(indices, dtype=np.int64) for word, indices in postings.items()}
        return list(self.by_question.values()), sizes, arrays


def _key(question: str) -> str:
    return " ".join(words_of(question))


def _heaviest(weights: Mapping[str, float]) -> str:
    """Return the answer of greatest weight in its most frequent spelling; ties in alphabetical order."""
    folded: defaultdict[str, float] = defaultdict(float)
    for answer, weight in weights.items():
        folded[fold(answer)] += weight
    best = min(folded, key=lambda answer: (-folded[answer], answer))
    spellings = [answer for answer in weights if fold(answer) == best]
    return min(spellings, key=lambda answer: (-weights[answer], answer))
