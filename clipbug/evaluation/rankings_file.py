"""Read rankings of recordings: lists of one object per query, or a matrix of scores."""

import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clipbug.errors import DataError
from clipbug.evaluation.predictions_file import read_predictions

_HINT = (
    'a ranking is {"id": "...", "top": [["recording", score], ...]}, or an npz file with the arrays that'
    " clipbug infer writes (docs/tasks.md)"
)


class Ranking(Protocol):
    """Scores of recordings for queries."""

    @property
    def queries(self) -> Collection[str]:
        """Return the ids of the queries that have scores."""
        ...

    def matrix(self, queries: Sequence[str], media_ids: Sequence[str]) -> NDArray[np.float64]:
        """Return scores (queries, recordings); -inf where there is none."""
        ...


@dataclass(frozen=True)
class RankedLists:
    """Query -> recording -> score, for some recordings."""

    scores: Mapping[str, Mapping[str, float]]

    @property
    def queries(self) -> Collection[str]:
        """Return the ids of the queries that have lists."""
        return self.scores.keys()

    def matrix(self, queries: Sequence[str], media_ids: Sequence[str]) -> NDArray[np.float64]:
        """Return scores (queries, recordings); -inf where there is none."""
        matrix = np.full((len(queries), len(media_ids)), -np.inf)
        for row, query in zip(matrix, queries, strict=True):
            own = self.scores.get(query, {})
            row[:] = [own.get(media_id, -np.inf) for media_id in media_ids]
        return matrix


class ScoreMatrix:
    """A score for every query and recording.

    Args:
        queries, media_ids: names of rows and columns.
        scores: (queries, recordings).

    Raises:
        DataError: the sizes differ, or a score is NaN.
    """

    def __init__(self, queries: NDArray[Any], media_ids: NDArray[Any], scores: NDArray[Any]) -> None:
        sizes = (len(queries), len(media_ids))
        if scores.shape != sizes or np.isnan(scores).any():
            raise DataError(f"scores of shape {scores.shape} for {sizes} names, or NaN among them", _HINT)
        self._rows = {str(name): place for place, name in enumerate(queries)}
        self._columns = {str(name): place for place, name in enumerate(media_ids)}
        self._scores = scores

    @property
    def queries(self) -> Collection[str]:
        """Return the ids of the rows."""
        return self._rows.keys()

    def matrix(self, queries: Sequence[str], media_ids: Sequence[str]) -> NDArray[np.float64]:
        """Return scores (queries, recordings); -inf where there is none."""
        matrix = np.full((len(queries), len(media_ids)), -np.inf)
        rows = [place for place, name in enumerate(queries) if name in self._rows]
        columns = [place for place, name in enumerate(media_ids) if name in self._columns]
        there = np.ix_(
            [self._rows[queries[place]] for place in rows],
            [self._columns[media_ids[place]] for place in columns],
        )
        matrix[np.ix_(rows, columns)] = self._scores[there]
        return matrix


def read_arrays(file: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file.

    Raises:
        DataError: it cannot be read, or lacks one of `names`.
    """
    try:
        with np.load(file) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} cannot be read: {error}", _HINT) from error
    lacking = [name for name in names if name not in arrays]
    if lacking:
        raise DataError(
            f"{file} has no array {', '.join(lacking)}; it has {', '.join(arrays) or 'none'}", _HINT
        )
    return arrays


def read_lists(file: Path) -> RankedLists:
    """Return the rankings of a predictions.jsonl.

    Raises:
        DataError: a line of another form, or two for one id.
    """
    lists: dict[str, Mapping[str, float]] = {}
    for number, row in enumerate(read_predictions(file), start=1):
        top = row.get("top")
        if "id" not in row or not isinstance(top, list) or not all(map(_is_pair, top)):
            raise DataError(f"{file}:{number} is no ranking: fields {', '.join(row) or 'none'}", _HINT)
        if str(row["id"]) in lists:
            raise DataError(f"{file}:{number}: id {row['id']!r} has two rankings", "keep one per id")
        lists[str(row["id"])] = {str(media_id): float(score) for media_id, score in top}
    return RankedLists(lists)


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[1], int | float)
        and not isinstance(pair[1], bool)
        and pair[1] == pair[1]
    )
