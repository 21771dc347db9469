"""Score answers against annotations: overall, by type and by app, with interval, baselines and ceiling."""

from collections.abc import Mapping, Sequence
from typing import Any

from clipbug.config.task import TASKS, TaskClass, find_task
from clipbug.data.annotations.fields import is_whole
from clipbug.data.annotations.media_ids import fold_id, whole_number
from clipbug.data.records import ChoiceRecord, QuestionOrChoice, Record
from clipbug.errors import DataError
from clipbug.evaluation.scores import AnswerScores
from clipbug.metrics.answers import answer_score, ceiling, mean, out_of_vocabulary_share
from clipbug.metrics.baselines import TrainingAnswers
from clipbug.metrics.choice_baselines import TrainingChoices, expected_by_chance
from clipbug.metrics.counts import mean_squared_error
from clipbug.metrics.groups import scores_by_group
from clipbug.metrics.intervals import bootstrap_interval

_NUM_SHOWN = 5


def score_predictions(
    predictions: Sequence[Mapping[str, Any]],
    records: Sequence[Record],
    *,
    task_name: str,
    answers: Sequence[str] | None = None,
    training_answers: TrainingAnswers | None = None,
    training_choices: TrainingChoices | None = None,
) -> AnswerScores:
    """Score answers against the annotated ones.

    Rows without a label are not scored (`unlabelled`); rows without prediction are wrong (`missing`);
    predictions without row are left out (`unmatched`). The interval draws recordings, not rows.

    Args:
        predictions: objects of predictions.jsonl, joined with rows on `id` (without one: `question_id`). The
            answer is a text; among options, it may be the index of one, as ClipBERT writes it; where answers
            are numbers, a number.
        records: annotation rows.
        task_name: a task whose predictions are answers.
        answers: what the model can answer, for the ceiling; None: anything.
        training_answers: for the baselines of questions without options; None: they are null.
        training_choices: for the baselines of questions with options; None: they are null.

    Raises:
        DataError: predictions without id or answer, two for an id, or all for unknown ids; no labelled row.
    """
    task = find_task(task_name)
    rows = labelled_rows(records, task)
    given = _answers_by_id(predictions, {record.record_id: record for record in records}, task)
    unmatched = _unmatched(given, records)
    labels = [row.labels for row in rows]
    scores = [answer_score(given.get(row.record_id), row.labels) for row in rows]
    missing = [row.record_id for row in rows if row.record_id not in given]
    assert task.metric is not None, "labelled_rows refuses other tasks"
    return AnswerScores(
        task=task.task_name(),
        score=mean(scores),
        metric=task.metric,
        count=len(rows),
        missing=len(missing),
        missing_ids=tuple(missing),
        unmatched=unmatched,
        unlabelled=len(records) - len(rows),
        interval=bootstrap_interval(scores, [row.media_id for row in rows]),
        ceiling=ceiling(labels, answers),
        oov_share=None if answers is None else out_of_vocabulary_share(labels, answers),
        baselines=_baselines(rows, training_answers, training_choices),
        mse=_squared_error(given, rows) if task.answers_are_numbers else None,
        by_type=scores_by_group(scores, [row.answer_type for row in rows]),
        by_app=scores_by_group(scores, [row.app for row in rows]),
    )


def labelled_rows(records: Sequence[Record], task: TaskClass) -> list[QuestionOrChoice]:
    """Return the rows that have an answer.

    Raises:
        DataError: no row has one, or the task's rows have none.
    """
    if not task.can_score_answers():
        scored = " or ".join(one.task_name() for one in TASKS if one.can_score_answers())
        raise DataError(
            f"predictions of task {task.task_name()} have no answers to score",
            f"evaluate runs of {scored}; other runs have scores in metrics.jsonl",
        )
    rows = [record for record in records if isinstance(record, QuestionOrChoice) and record.labels]
    if not rows:
        where = f", the first at {records[0].source}" if records else ""
        raise DataError(
            f"none of the {len(records)} rows{where} has an answer to score against",
            "name an annotation file with answers: clipbug evaluate --data FILE",
        )
    return rows


def _answers_by_id(
    predictions: Sequence[Mapping[str, Any]], rows: Mapping[str, Record], task: TaskClass
) -> dict[str, str]:
    answers: dict[str, str] = {}
    bad, twice = [], []
    folded = {fold_id(row_id): row_id for row_id in rows}
    for number, prediction in enumerate(predictions, start=1):
        given = prediction.get("id", prediction.get("question_id"))
        record_id = str(given) if str(given) in rows else folded.get(fold_id(str(given)), str(given))
        answer = _answer_text(prediction.get("answer"), rows.get(record_id), task)
        if given is None or answer is None:
            bad.append(f"prediction {number}: fields {', '.join(prediction) or 'none'}")
        elif record_id in answers:
            twice.append(repr(record_id))
        else:
            answers[record_id] = answer
    if bad:
        raise DataError(
            f"{len(bad)} predictions lack an id or a text as answer: {_first(bad)}",
            'a prediction is {"id": "...", "answer": "..."}; clipbug infer writes such a file',
        )
    if twice:
        raise DataError(
            f"{len(twice)} ids have two predictions: {_first(twice)}", "keep one prediction per id"
        )
    return answers


def _answer_text(answer: object, row: Record | None, task: TaskClass) -> str | None:
    """Return the answer as the row words it; None if it is no text and no number that stands for one."""
    is_index = isinstance(row, ChoiceRecord) and isinstance(answer, str) and answer not in row.options
    digits = whole_number(answer.strip()) if isinstance(answer, str) and is_index else ""
    number = int(digits) if digits.isascii() and digits.isdecimal() else answer
    if isinstance(number, int | float) and is_whole(number):
        if isinstance(row, ChoiceRecord):
            return row.options[int(number)] if 0 <= number < len(row.options) else None
        return str(int(number)) if task.answers_are_numbers else None
    return answer if isinstance(answer, str) else None


def _squared_error(given: Mapping[str, str], rows: Sequence[QuestionOrChoice]) -> float | None:
    """Return the mean squared error over rows with a number as prediction; None if there are none."""
    pairs = [
        (float(given[row.record_id]), float(answer))
        for row in rows
        for answer in row.labels
        if given.get(row.record_id, "").isdecimal() and answer.isdecimal()
    ]
    if not pairs:
        return None
    answered, right = zip(*pairs, strict=True)
    return mean_squared_error(answered, right)


def _unmatched(given: Mapping[str, str], records: Sequence[Record]) -> int:
    """Return the number of predictions that belong to no row."""
    known = {record.record_id for record in records}
    unmatched = [record_id for record_id in given if record_id not in known]
    if len(unmatched) == len(given):
        raise DataError(
            f"none of the {len(given)} predictions belongs to a row; ids of predictions:"
            f" {_first(unmatched) or 'none'}; ids of rows: {_first(sorted(known))}",
            "give the annotation file that was inferred on: clipbug evaluate --data FILE",
        )
    return len(unmatched)


def _choice_baselines(
    rows: Sequence[ChoiceRecord], training: TrainingChoices | None
) -> dict[str, float | None]:
    guesses = {
        "majority": None if training is None else training.majority,
        "question_only": None if training is None else training.question_only,
    }
    return {"random": expected_by_chance(rows)} | {
        name: None if guess is None else mean([float(guess(row) == row.answer) for row in rows])
        for name, guess in guesses.items()
    }


def _baselines(
    rows: Sequence[QuestionOrChoice], training: TrainingAnswers | None, choices: TrainingChoices | None
) -> dict[str, float | None]:
    choice_rows = [row for row in rows if isinstance(row, ChoiceRecord)]
    if choice_rows:
        return _choice_baselines(choice_rows, choices)
    if training is None:
        return {"majority": None, "question_only": None}
    return {
        "majority": mean([answer_score(training.majority, row.labels) for row in rows]),
        "question_only": mean([answer_score(training.answer(row.question), row.labels) for row in rows]),
    }


def _first(items: Sequence[str]) -> str:
    more = f" ... and {len(items) - _NUM_SHOWN} more" if len(items) > _NUM_SHOWN else ""
    return ", ".join(items[:_NUM_SHOWN]) + more
