"""Score rankings on disk: scores.npz of `infer`, or lists of recordings of any origin."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clipbug.data.annotations.duplicates import read_duplicates
from clipbug.data.annotations.retrieval_set import RetrievalSet
from clipbug.data.records import Record
from clipbug.errors import DataError
from clipbug.evaluation.duplicates import MODEL, score_duplicates
from clipbug.evaluation.rankings_file import Ranking, ScoreMatrix, read_arrays, read_lists
from clipbug.evaluation.retrieval import score_retrieval
from clipbug.evaluation.scores import DuplicateScores, RetrievalScores


def evaluate_retrieval(records: Sequence[Record], file: Path) -> RetrievalScores:
    """Score a search among the recordings of these rows.

    What a file says nothing about stands last: rows without a list (`missing`) and recordings that a list
    does not name (`unlisted`, pairs). Video to text is null where recordings are unlisted, since columns
    cannot be ranked.

    Args:
        records: captions with the recordings that they describe.
        file: predictions.jsonl, or scores.npz with question_ids (Q,), recording_ids (M,) and scores (Q, M).

    Raises:
        DataError: a file of another form, or about other rows.
    """
    found = RetrievalSet.from_records(records)
    ranking: Ranking
    if file.suffix == ".npz":
        arrays = read_arrays(file, ("question_ids", "recording_ids", "scores"))
        ranking = ScoreMatrix(arrays["question_ids"], arrays["recording_ids"], arrays["scores"])
    else:
        ranking = read_lists(file)
    ids = [row.record_id for row in found.rows]
    missing, unmatched = _check_queries(ranking, ids, file)
    matrix = ranking.matrix(ids, found.media_ids)
    unlisted = int(np.isneginf(matrix).sum()) - missing * len(found.media_ids)
    scores = score_retrieval(found, matrix)
    backward = None if unlisted else scores.video2text
    return replace(scores, missing=missing, unmatched=unmatched, unlisted=unlisted, video2text=backward)


def evaluate_duplicates(path: Path, file: Path) -> DuplicateScores:
    """Score duplicate detection among the recordings of a file of duplicates.

    Args:
        path: the file of duplicates.
        file: predictions.jsonl (id = recording), or scores.npz with media_ids (M,) and a matrix (M, M) per
            name, of which "model" is judged and the others are baselines.

    Raises:
        DataError: a file of another form, or about other recordings.
    """
    recordings = read_duplicates(path)
    ids = [recording.media_id for recording in recordings]
    by_name: dict[str, Ranking]
    if file.suffix == ".npz":
        arrays = read_arrays(file, ("media_ids", MODEL))
        media_ids = arrays.pop("media_ids")
        by_name = {name: ScoreMatrix(media_ids, media_ids, matrix) for name, matrix in arrays.items()}
    else:
        by_name = {MODEL: read_lists(file)}
    missing, unmatched = _check_queries(by_name[MODEL], ids, file)
    similarities = {name: ranking.matrix(ids, ids) for name, ranking in by_name.items()}
    others = ~np.eye(len(ids), dtype=bool)
    unlisted = int(np.isneginf(similarities[MODEL][others]).sum()) - missing * (len(ids) - 1)
    scores = score_duplicates(recordings, similarities)
    return replace(scores, missing=missing, unmatched=unmatched, unlisted=unlisted)


def _check_queries(ranking: Ranking, ids: Sequence[str], file: Path) -> tuple[int, int]:
    """Return the number of rows without a ranking and of rankings without a row.

    Raises:
        DataError: no ranking belongs to a row.
    """
    given, wanted = set(ranking.queries), set(ids)
    if not given & wanted:
        raise DataError(
            f"none of the {len(given)} rankings of {file} belongs to a row; their ids:"
            f" {', '.join(sorted(given)[:5]) or 'none'}; ids of rows: {', '.join(ids[:5])}",
            "give the file that was inferred on: clipbug evaluate --data FILE",
        )
    return len(wanted - given), len(given - wanted)
