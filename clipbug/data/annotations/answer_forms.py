"""Normalize free-form answers to the form in which they become classes."""

import re
from typing import Literal

AnswerForm = Literal["full", "short", "first-token"]

_NUM_SHORT_WORDS = 4
# Words that carry no information about the screen. "after", "before", "top", "left" and the like do.
_STOP_WORDS = frozenset(
    re.findall(
        r"\S+",
        """a an the is are was were be been being am do does did has have had will would should can could may
        i you he she it we they your his her its their my our user this that these those there then
        of to on in at by for with from into onto and or so as which who when where it's""",
    )
)


def in_form(answer: str, form: AnswerForm) -> str:
    """Normalize an answer; one that would become empty is returned unchanged.

    Args:
        answer: Free-form answer.
        form: "full" leaves the answer unchanged. "short" lower-cases it, strips punctuation around words,
            drops stop words and keeps the first four of the rest: 'Click on the "proxy" item.' becomes "click
            proxy item". "first-token" reproduces ClipBugBERT's script, for comparison: of the lower-cased
            words of two letters or more, the first in alphabetical order, so "3:45" becomes "45".

    Returns:
        The normalized answer.
    """
    if form == "full":
        return answer
    if form == "first-token":
        return min(re.findall(r"\b\w\w+\b", answer.lower()), default=answer)
    words = [word.strip("\"'`.,;:!?()[]{}\u201c\u201d\u201e\u2026") for word in answer.lower().split()]
    content_words = [word for word in words if word and word not in _STOP_WORDS]
    return " ".join((content_words or [word for word in words if word])[:_NUM_SHORT_WORDS]) or answer
