"""When two texts count as the same."""

import re


def fold(text: str) -> str:
    """The text without case and with single spaces, for comparing answers: " Log  In" is "log in"."""
    return " ".join(text.casefold().split())


def words_of(text: str) -> tuple[str, ...]:
    """The words in order, without case and punctuation, for comparing questions."""
    return tuple(re.findall(r"\w+", text.casefold()))
