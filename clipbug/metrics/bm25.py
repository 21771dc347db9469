"""Okapi BM25 ranking by words."""

from collections import Counter
from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from clipbug.metrics.text import words_of

# The usual values of k1 (saturation of repeated words) and b (length normalization).
_SATURATION = 1.2
_LENGTH_SHARE = 0.75


class Bm25:
    """Scores documents for a query by the words they share (Robertson and Zaragoza 2009, section 3.5).

    A word in n of N documents has the weight log(1 + (N - n + 0.5) / (n + 0.5)), which is never negative.

    Args:
        documents: One text per candidate; empty ones score 0 for every query.

    Raises:
        ValueError: `documents` is empty.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        if not documents:
            raise ValueError("documents must not be empty")
        counts = [Counter(words_of(document)) for document in documents]
        self._num_documents = len(documents)
        postings: dict[str, list[tuple[int, int]]] = {}
        for number, words in enumerate(counts):
            for word, count in words.items():
                postings.setdefault(word, []).append((number, count))
        lengths = np.array([words.total() for words in counts], dtype=np.float64)
        relative = lengths / max(lengths.mean(), 1.0)
        self._norms = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * relative)
        self._postings = {word: np.array(pairs, dtype=np.int64).T for word, pairs in postings.items()}

    def scores(self, query: str) -> NDArray[np.float64]:
        """Return the score of every document, (documents,); repeated words of the query count repeatedly."""
        scores = np.zeros(self._num_documents)
        for word, repetitions in Counter(words_of(query)).items():
            if word in self._postings:
                numbers, counts = self._postings[word]
                rarity = log(1 + (self._num_documents - len(numbers) + 0.5) / (len(numbers) + 0.5))
                gain = counts * (_SATURATION + 1) / (counts + self._norms[numbers])
                scores[numbers] += repetitions * rarity * gain
        return scores
