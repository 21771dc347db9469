"""Telling text from icons and from scripts that the models do not read.

Given such a script the models answer with nothing, or with far fewer letters than fit into the line; a few
words of capitals come out as their Latin look-alikes ("BECHA" for a Russian spring).
"""

import unicodedata
from typing import Literal

Verdict = Literal["text", "icon", "unreadable"]

UNKNOWN_SCRIPT = "unknown"
_LOOK_ALIKES = set("ABEKMHOPCTYXaeopcyxkmnrubБ3640 .,:;-()'\"")
_ICON_WORDS = {"Q", "X", "O", "×", "α", "Ⓧ", "©"}  # a magnifying glass, a cross, a ring in front of a label
_LETTER_WIDTH = 0.42  # of a line's height, box included
_WIDE_LETTER_WIDTH = 0.75
_MIN_LENGTH_TO_JUDGE = 2.4
_FEW_LETTERS, _SOME_LETTERS = 0.34, 0.6
_UNSURE = 0.8
_MIN_CONFIDENCE = 0.5


def judge(text: str, confidence: float, width: float, height: float) -> Verdict:
    """Return whether what was read is text, an icon taken for a letter, or a script that is not read.

    Args:
        text: what the models read.
        confidence: how sure they are.
        width, height: of the box, in any unit.
    """
    letters = [letter for letter in text if not letter.isspace()]
    length = width / max(height, 1e-6)
    expected = max(1.0, length / _LETTER_WIDTH)
    used = sum(_WIDE_LETTER_WIDTH / _LETTER_WIDTH if _is_wide(letter) else 1.0 for letter in letters)
    if length >= _MIN_LENGTH_TO_JUDGE:
        if used < _FEW_LETTERS * expected and (confidence < _UNSURE or used < 0.2 * expected):
            return "unreadable"
        if confidence < _MIN_CONFIDENCE:  # too faint or small to read, unless letters are missing as well
            return "unreadable" if used < _SOME_LETTERS * expected else "icon"
        return "text" if letters else "icon"
    if confidence < _MIN_CONFIDENCE or not letters:
        return "icon"
    if len(letters) == 1 and not _is_plain(letters[0]):
        return "icon"
    return "text" if any(map(_says_something, letters)) else "icon"


def is_look_alike(text: str) -> bool:
    """Return whether a text holds only letters that other scripts write the same."""
    return any(letter.isalpha() for letter in text) and set(text) <= _LOOK_ALIKES


def clean(text: str) -> str:
    """Return a text without the icons at its ends that were read as symbols."""
    words = text.split()
    if len(words) > 1 and words[0] in _ICON_WORDS:
        words = words[1:]
    while words and not any(map(_says_something, words[0])):
        words = words[1:]
    while words and not any(map(_says_something, words[-1])):
        words = words[:-1]
    return " ".join(words)


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _is_plain(letter: str) -> bool:
    """Return whether it is a Latin letter or digit; a single other one is nearly always an icon."""
    return letter.isalnum() and letter.isascii()


def _says_something(letter: str) -> bool:
    return letter.isalnum() or letter in "$%@#?!&€£+•●*=.…-"
