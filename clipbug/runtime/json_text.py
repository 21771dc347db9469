"""JSON as every program reads it: the numbers that JSON does not have are refused."""

import json
from typing import Any

from clipbug.errors import ClipbugError


def json_text(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """The text of a result, on one line unless `indent` is given.

    Raises:
        ClipbugError: a number in it is NaN or infinite.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, sort_keys=sort_keys)
    except ValueError as error:
        raise ClipbugError(
            "a result holds a number that is NaN or infinite, which JSON cannot hold",
            "nothing was written; a model whose scores overflow: --precision fp32, or an earlier --step",
        ) from error
