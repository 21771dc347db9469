"""Normalize texts for comparison."""

import re


def fold(text: str) -> str:
    """Normalize case and whitespace, for comparing answers: " Log  In" becomes "log in"."""
    return " ".join(text.casefold().split())


def words_of(text: str) -> tuple[str, ...]:
    """Return the words in order, without case and punctuation, for comparing questions."""
    return tuple(re.findall(r"\w+", text.casefold()))
