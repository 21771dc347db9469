"""What is wrong with a config, in plain words, all of it at once."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from clipbug.errors import ConfigError

_LONGEST_VALUE = 60

# pydantic's kind of error -> our words; {names} are filled from the error's context
_REASONS = {
    "missing": "is required",
    "extra_forbidden": "is no known key",
    "literal_error": "must be {expected}",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list, such as [a, b]",
    "model_type": "must be a group of keys",
    "model_attributes_type": "must be a group of keys",
    "too_short": "must have at least {min_length} items, and has {actual_length}",
    "too_long": "must have at most {max_length} items, and has {actual_length}",
    "value_error": "{error}",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a config.

    Attributes:
        path: dotted.
        reason: continues the sentence that the path begins.
        value: as shown to the user; "" where it would not help.
        place: "file:line", "--set ..." or the flag.
        nearest: what the user may have meant, or "".
    """

    path: str
    reason: str
    value: str = ""
    place: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        nearest = f"; did you mean {self.nearest}?" if self.nearest else ""
        place = f"  ({self.place})" if self.place else ""
        return f"{self.path}{value}: {self.reason}{nearest}{place}"


def raise_problems(problems: Sequence[Problem], *, config: str, hint: str) -> None:
    """Raise one ConfigError that lists all problems, or return if there are none."""
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise ConfigError(f"{count} in {config}:{lines}", hint)


def nearest(name: str, choices: Collection[str]) -> str:
    """The choice that looks most like the name, or "" if none does."""
    return next(iter(get_close_matches(name, choices, n=1, cutoff=0.6)), "")


def reason_for(kind: str, context: dict[str, Any], message: str) -> str:
    """Plain words for one kind of pydantic error; pydantic's own message for the kinds not listed here."""
    template = _REASONS.get(kind)
    return template.format_map(context) if template else message[:1].lower() + message[1:]


def shown(value: Any) -> str:
    """A value as it would stand in YAML, cut to a readable length; "" for a group of keys."""
    if isinstance(value, dict):
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
