"""Report everything that is wrong with a config, in plain words and at once."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from clipbug.errors import ConfigError

_MAX_VALUE_CHARACTERS = 60

# pydantic's kind of error -> message; {names} are filled from the error's context
_REASONS = {
    "missing": "is required",
    "extra_forbidden": "is not a known key",
    "literal_error": "must be {expected}",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list, such as [a, b]",
    "model_type": "must be a group of keys",
    "model_attributes_type": "must be a group of keys",
    "too_short": "must have at least {min_length} items, got {actual_length}",
    "too_long": "must have at most {max_length} items, got {actual_length}",
    "value_error": "{error}",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a config.

    Attributes:
        path: Dotted path.
        reason: Completes a sentence that starts with the path.
        value: Value as shown to the user; "" if it would not help.
        origin: "file:line", "--set ..." or the flag.
        nearest: What the user may have meant, or "".
    """

    path: str
    reason: str
    value: str = ""
    origin: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        nearest = f"; did you mean {self.nearest}?" if self.nearest else ""
        origin = f"  ({self.origin})" if self.origin else ""
        return f"{self.path}{value}: {self.reason}{nearest}{origin}"


def raise_problems(problems: Sequence[Problem], *, config: str, hint: str) -> None:
    """Raise a ConfigError that lists all problems, or return if there are none."""
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise ConfigError(f"{count} in {config}:{lines}", hint)


def nearest(name: str, choices: Collection[str]) -> str:
    """Return the choice that is most similar to the name, or "" if none is."""
    return next(iter(get_close_matches(name, choices, n=1, cutoff=0.6)), "")


def reason_for(kind: str, context: dict[str, Any], message: str) -> str:
    """Return a plain message for a kind of pydantic error, or pydantic's own for kinds not listed."""
    template = _REASONS.get(kind)
    return template.format_map(context) if template else message[:1].lower() + message[1:]


def shown(value: Any) -> str:
    """Format a value as YAML, truncated to a readable length; "" for a group of keys."""
    if isinstance(value, dict):
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_VALUE_CHARACTERS else f"{text[:_MAX_VALUE_CHARACTERS]}..."
