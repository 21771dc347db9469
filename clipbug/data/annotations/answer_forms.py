"""Free-form answers in the form in which they become classes."""

import re
from typing import Literal

AnswerForm = Literal["full", "short", "first-token"]

_NUM_SHORT_WORDS = 4
# Words that say nothing about the screen. "after", "before", "top", "left" and the like do.
_FILLERS = frozenset(
    re.findall(
        r"\S+",
        """a an the is are was were be been being am do does did has have had will would should can could may
        i you he she it we they your his her its their my our user this that these those there then
        of to on in at by for with from into onto and or so as which who when where it's""",
    )
)


def in_form(answer: str, form: AnswerForm) -> str:
    """The answer in a form; without any word left, as it was.

    full: as given.
    short: lower case, without punctuation around words and without words that say nothing, the first four of
    those left: 'Click on the "proxy" item.' is "click proxy item".
    first-token: what ClipBugBERT's script made of answers, for comparison: in lower case, of the words of two
    letters or more the first in the alphabet: "3:45" is "45".
    """
    if form == "full":
        return answer
    if form == "first-token":
        return min(re.findall(r"\b\w\w+\b", answer.lower()), default=answer)
    words = [word.strip("\"'`.,;:!?()[]{}\u201c\u201d\u201e\u2026") for word in answer.lower().split()]
    telling = [word for word in words if word and word not in _FILLERS]
    return " ".join((telling or [word for word in words if word])[:_NUM_SHORT_WORDS]) or answer
