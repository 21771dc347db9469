"""Balance answers, so that they cannot be guessed from the questions."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

MAX_SHARE_OF_TWO = 0.55
MAX_SHARE = 0.4
Row = TypeVar("Row", bound=Mapping[str, Any])


def without_surplus(rows: Sequence[Row], generator: np.random.Generator) -> list[Row]:
    """Drop random rows until no answer to a question is too frequent.

    The most frequent answer keeps at most 55 % of the rows of a question with two answers, 40 % with more.

    Args:
        rows: question rows.
        generator: chooses the rows to drop.

    Returns:
        The remaining rows, in their order.
    """
    groups: dict[str, dict[Hashable, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, row in enumerate(rows):
        answer = row["answer"] if "answer" in row else tuple(row["labels"])
        groups[row["question"]][answer].append(index)
    kept: list[int] = []
    for answers in groups.values():
        limits = _limits(Counter({answer: len(indices) for answer, indices in answers.items()}))
        for answer, indices in answers.items():
            order = generator.permutation(len(indices))[: limits[answer]]
            kept.extend(indices[position] for position in order.tolist())
    return [rows[index] for index in sorted(kept)]


def _limits(counts: Counter[Hashable]) -> Counter[Hashable]:
    """Return how many rows each answer keeps."""
    share = MAX_SHARE_OF_TWO if len(counts) == 2 else MAX_SHARE
    limits = counts.copy()
    while len(limits) > 1:
        (answer, most), (_, second) = limits.most_common(2)
        if most <= max(share * limits.total(), 1) or most == second == 1:
            break
        limits[answer] -= 1
    return limits
