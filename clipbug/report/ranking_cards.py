"""Join the results of a search with the relevant recordings to build the rankings of a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbug.data.annotations.duplicates import read_duplicates
from clipbug.data.annotations.retrieval_set import RetrievalSet
from clipbug.data.records import Record
from clipbug.report.contents import Ranking

_NUM_SHOWN = 6


def text_rankings(predictions: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> list[Ranking]:
    """Return a ranking of recordings for each caption.

    Args:
        predictions: objects of predictions.jsonl of a retrieval run.
        records: captions with the recordings that they describe.

    Returns:
        One ranking per caption row.
    """
    found = RetrievalSet.from_records(records)
    by_id = {str(row.get("id")): row for row in predictions}
    return [
        Ranking(
            record_id=row.record_id,
            text=row.text,
            app=row.app,
            media_id=None,
            right=tuple(found.media_ids[number] for number in sorted(found.right_media[text])),
            results=_results(by_id.get(row.record_id, {})),
            num_shown=_NUM_SHOWN,
        )
        for row, text in zip(found.rows, found.text_of_row, strict=True)
    ]


def duplicate_rankings(predictions: Sequence[Mapping[str, Any]], file: Path) -> list[Ranking]:
    """Return a ranking of the most similar other recordings for each recording."""
    recordings = read_duplicates(file)
    by_id = {str(row.get("id")): row for row in predictions}
    return [
        Ranking(
            record_id=one.media_id,
            text=f"{one.bug}: which recordings show the same bug?",
            app=one.app,
            media_id=one.media_id,
            right=tuple(
                other.media_id
                for other in recordings
                if other is not one and (other.app, other.bug) == (one.app, one.bug)
            ),
            results=_results(by_id.get(one.media_id, {})),
            num_shown=_NUM_SHOWN,
        )
        for one in recordings
    ]


def _results(row: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    return tuple((str(media_id), float(score)) for media_id, score in row.get("top", ()))
