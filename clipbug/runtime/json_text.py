"""Write JSON that every program can read, without NaN and infinity."""

import json
from typing import Any

from clipbug.errors import ClipbugError


def json_text(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Serialize a result, on one line unless `indent` is given.

    Args:
        value: JSON-compatible value.
        indent: As for `json.dumps`.
        sort_keys: As for `json.dumps`.

    Returns:
        The JSON text.

    Raises:
        ClipbugError: A number is NaN or infinite.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, sort_keys=sort_keys)
    except ValueError as error:
        raise ClipbugError(
            "the result contains a NaN or infinite number, which JSON cannot represent",
            "nothing was written; if the model's scores overflow, use --precision fp32 or an earlier --step",
        ) from error
