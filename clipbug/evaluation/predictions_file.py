"""Read predictions, of `clipbug infer` or as ClipBERT writes results."""

from pathlib import Path
from typing import Any

from clipbug.data.annotations.lines import iter_lines
from clipbug.errors import DataError


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a predictions.jsonl, or of one JSON array, as ClipBERT writes results.

    Raises:
        DataError: a line or item that is no JSON object.
    """
    try:
        rows = list(iter_lines(path))
    except DataError as error:
        raise DataError(error.message, "make the file again: clipbug infer") from error
    bad = next((row for row in rows if row.fields is None), None)
    if bad is not None:
        raise DataError(f"{path}:{bad.location}: {bad.problem}", "make the file again: clipbug infer")
    return [dict(row.fields) for row in rows if row.fields is not None]
