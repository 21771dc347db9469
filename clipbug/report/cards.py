"""Join predictions with annotation rows to build the cards of a report."""

from collections.abc import Mapping, Sequence
from typing import Any

from clipbug.data.annotations.media_ids import fold_id
from clipbug.data.records import UNKNOWN_TYPE, ChoiceRecord, QuestionRecord, Record
from clipbug.metrics.answers import answer_score
from clipbug.report.contents import Card
from clipbug.tasks.base import ClipPrediction

NO_ANSWER = "(no prediction)"


def make_cards(predictions: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> list[Card]:
    """Return a card per question, in the order of the rows; rows without a prediction count as wrong.

    Args:
        predictions: objects of predictions.jsonl, joined on `id`, or on `question_id` if they have no `id`.
        records: annotation rows; captions are skipped, as they have no answers.

    Returns:
        The cards of questions and multiple-choice rows.
    """
    by_id = {str(row.get("id", row.get("question_id"))): row for row in predictions}
    by_form = {fold_id(record_id): row for record_id, row in by_id.items()}  # 3.0 and 3 are the same id
    return [
        _card(record, by_id.get(record.record_id) or by_form.get(fold_id(record.record_id), {}))
        for record in records
        if isinstance(record, QuestionRecord | ChoiceRecord)
    ]


def _card(record: QuestionRecord | ChoiceRecord, row: Mapping[str, Any]) -> Card:
    answer = row.get("answer")
    labels = record.labels
    return Card(
        record_id=record.record_id,
        media_id=str(row.get("media_id", record.media_id)),  # the id in the store if it differs
        question=record.question,
        answer=answer if isinstance(answer, str) else NO_ANSWER,
        probability=float(row.get("probability") or 0.0),
        top=tuple((str(name), float(probability)) for name, probability in row.get("top", ())),
        votes=tuple(map(_vote, row.get("clips", ()))),
        labels=labels,
        score=answer_score(answer if isinstance(answer, str) else None, labels) if labels else None,
        answer_type=record.answer_type or UNKNOWN_TYPE,
        app=record.app,
        source=record.source,
    )


def _vote(clip: Mapping[str, Any]) -> ClipPrediction:
    return ClipPrediction(
        start_seconds=float(clip["start_seconds"]),
        end_seconds=float(clip["end_seconds"]),
        frame_seconds=tuple(map(float, clip["frame_seconds"])),
        answer=str(clip.get("answer", "")),
        probability=float(clip.get("probability") or 0.0),
    )
