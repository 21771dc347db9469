"""Scores of rankings on disk: of `infer`'s scores.npz, or of anybody's lists of recordings."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.data.duplicates import read_duplicates
from clipbug.data.records import Record
from clipbug.data.retrieval_set import RetrievalSet
from clipbug.errors import DataError
from clipbug.recipes.duplicate_scoring import MODEL, score_duplicates
from clipbug.recipes.prediction_source import read_predictions
from clipbug.recipes.retrieval_scoring import score_retrieval

_HINT = (
    'a ranking is {"id": "...", "top": [["recording", score], ...]}, or an npz file with the arrays that'
    " clipbug infer writes (docs/tasks.md)"
)

Lists = Mapping[str, Mapping[str, float]]
"""Query -> recording -> score."""


def evaluate_retrieval(records: Sequence[Record], file: Path) -> dict[str, Any]:
    """The scores of a search among the recordings of these rows.

    What a file says nothing about stands last: rows without a list (`missing`) and recordings that a list
    does not name (`unlisted`, pairs). Video to text is null where recordings are unlisted, since columns
    cannot be ranked.

    Args:
        records: captions with the recordings that they describe.
        file: predictions.jsonl, or scores.npz with text_ids (Q,), media_ids (M,) and scores (Q, M).

    Raises:
        DataError: a file of another form, or about other rows.
    """
    found = RetrievalSet.from_records(records)
    if file.suffix == ".npz":
        arrays = _arrays(file, ("text_ids", "media_ids", "scores"))
        lists = _lists_of(arrays["text_ids"], arrays["media_ids"], arrays["scores"])
    else:
        lists = _lists_in(file)
    ids = [row.record_id for row in found.rows]
    known, unmatched = _known(lists, ids, file)
    matrix = _matrix(known, ids, found.media_ids)
    missing = sum(record_id not in known for record_id in ids)
    unlisted = int(np.isneginf(matrix).sum()) - missing * len(found.media_ids)
    scores = score_retrieval(found, matrix)
    if unlisted:
        scores["video2text"] = None
    return {**scores, "missing": missing, "unmatched": unmatched, "unlisted": unlisted}


def evaluate_duplicates(path: Path, file: Path) -> dict[str, Any]:
    """The scores of duplicate detection among the recordings of a file of duplicates.

    Args:
        path: the file of duplicates.
        file: predictions.jsonl (id = recording), or scores.npz with media_ids (M,) and a matrix (M, M) per
            name, of which "model" is judged and the others are baselines.

    Raises:
        DataError: a file of another form, or about other recordings.
    """
    recordings = read_duplicates(path)
    ids = [recording.media_id for recording in recordings]
    by_name: dict[str, Lists] = {}
    if file.suffix == ".npz":
        arrays = _arrays(file, ("media_ids", MODEL))
        media_ids = arrays.pop("media_ids")
        by_name = {name: _lists_of(media_ids, media_ids, matrix) for name, matrix in arrays.items()}
    else:
        by_name = {MODEL: _lists_in(file)}
    known, unmatched = _known(by_name[MODEL], ids, file)
    similarities = {name: _matrix(lists, ids, ids) for name, lists in by_name.items()}
    missing = sum(media_id not in known for media_id in ids)
    listed = sum(len(known.get(one, {}).keys() - {one}) for one in ids)
    return {
        **score_duplicates(recordings, similarities),
        "missing": missing,
        "unmatched": unmatched,
        "unlisted": (len(ids) - missing) * (len(ids) - 1) - listed,
    }


def _arrays(file: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
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


def _lists_of(queries: NDArray[Any], media_ids: NDArray[Any], scores: NDArray[Any]) -> Lists:
    if scores.shape != (len(queries), len(media_ids)):
        raise DataError(
            f"scores of shape {scores.shape} for {len(queries)} queries and {len(media_ids)} recordings",
            _HINT,
        )
    names = [str(media_id) for media_id in media_ids]
    return {
        str(query): dict(zip(names, row.tolist(), strict=True))
        for query, row in zip(queries, scores, strict=True)
    }


def _lists_in(file: Path) -> Lists:
    lists: dict[str, Mapping[str, float]] = {}
    for number, row in enumerate(read_predictions(file), start=1):
        top = row.get("top")
        if "id" not in row or not isinstance(top, list) or not all(map(_is_pair, top)):
            raise DataError(f"{file}:{number} is no ranking: fields {', '.join(row) or 'none'}", _HINT)
        if str(row["id"]) in lists:
            raise DataError(f"{file}:{number}: id {row['id']!r} has two rankings", "keep one per id")
        lists[str(row["id"])] = {str(media_id): float(score) for media_id, score in top}
    return lists


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[1], int | float)
        and not isinstance(pair[1], bool)
        and pair[1] == pair[1]
    )


def _known(lists: Lists, ids: Sequence[str], file: Path) -> tuple[Lists, int]:
    """The lists of these queries, and the number of others."""
    wanted = set(ids)
    known = {query: own for query, own in lists.items() if query in wanted}
    if not known:
        shown = ", ".join(list(lists)[:5]) or "none"
        raise DataError(
            f"none of the {len(lists)} rankings of {file} belongs to a row; their ids: {shown};"
            f" ids of rows: {', '.join(ids[:5])}",
            "give the file that was inferred on: clipbug evaluate --data FILE",
        )
    return known, len(lists) - len(known)


def _matrix(lists: Lists, queries: Sequence[str], media_ids: Sequence[str]) -> NDArray[np.float64]:
    """(queries, recordings); -inf where nothing is said."""
    matrix = np.full((len(queries), len(media_ids)), -np.inf)
    for row, query in zip(matrix, queries, strict=True):
        own = lists.get(query, {})
        row[:] = [own.get(media_id, -np.inf) for media_id in media_ids]
    return matrix
