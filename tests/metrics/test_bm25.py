"""BM25 against its formula written out, and against what a search must do."""

from collections import Counter
from math import log

import numpy as np
import pytest

from clipbug.metrics.bm25 import Bm25
from clipbug.metrics.text import words_of

DOCUMENTS = [
    "The app crashes when I export. Crashes always!",
    "export error",
    "",
    "dark theme makes the text of the menu hard to read",
    "menu menu menu",
]


def naive(query: str, document: str) -> float:
    k1, b = 1.2, 0.75
    texts = [words_of(text) for text in DOCUMENTS]
    mean_length = sum(map(len, texts)) / len(texts)
    words = words_of(document)
    total = 0.0
    for word in words_of(query):
        holding = sum(word in text for text in texts)
        rarity = log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        count = Counter(words)[word]
        length = 1 - b + b * len(words) / mean_length
        total += rarity * count * (k1 + 1) / (count + k1 * length) if count else 0.0
    return total


@pytest.mark.parametrize("query", ["export crashes", "the menu", "menu menu", "nothing here", ""])
def test_scores_are_those_of_the_formula(query: str) -> None:
    expected = [naive(query, document) for document in DOCUMENTS]
    np.testing.assert_allclose(Bm25(DOCUMENTS).scores(query), expected, rtol=1e-12)  # same sums, other order


def test_a_rare_word_counts_more_and_a_repeated_one_less_and_less() -> None:
    bm25 = Bm25(["app crash", "app theme", "app app app app", "app"])
    assert bm25.scores("crash theme app").argmax() in (0, 1)
    assert bm25.scores("app")[2] < 4 * bm25.scores("app")[3]


def test_no_documents_cannot_be_searched() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        Bm25([])


def test_only_empty_documents_score_nothing() -> None:
    assert Bm25(["", "!"]).scores("app").tolist() == [0, 0]
