"""Score guesses that use no picture, for every kind of rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from clipbug.config.task import TaskClass
from clipbug.data.annotations.retrieval_set import RetrievalSet
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionRecord, Record
from clipbug.evaluation.scores import (
    BaselineDetails,
    BaselineScores,
    QuestionBaselines,
    RetrievalBaselines,
)
from clipbug.metrics.answers import answer_score, ceiling, mean, out_of_vocabulary_share
from clipbug.metrics.baselines import TrainingAnswers
from clipbug.metrics.bm25 import Bm25
from clipbug.metrics.choice_baselines import TrainingChoices, expected_by_chance
from clipbug.metrics.counts import mean_squared_error
from clipbug.metrics.groups import scores_by_group
from clipbug.metrics.intervals import bootstrap_interval
from clipbug.metrics.ranking import chance_mrr, rank_queries, ranking_scores
from clipbug.metrics.text import fold


def question_baselines(
    train: Sequence[QuestionRecord], rows: Sequence[QuestionRecord], task: TaskClass
) -> QuestionBaselines:
    """Score majority and question-only answers of the training rows, and what the training answers allow.

    Args:
        train: training rows.
        rows: rows with answers, at least one.
        task: what the rows ask for.
    """
    training = TrainingAnswers.from_records(train)
    labels = [row.labels for row in rows]
    vocabulary = sorted({fold(answer) for row in train for answer in row.labels})
    guesses: dict[str, Callable[[QuestionRecord], str | None]] = {
        "majority": lambda row: training.majority,
        "question_only": lambda row: training.answer(row.question),
    }
    if task.answers_are_numbers and (numbers := [number for row in train for number in _numbers(row.labels)]):
        average = str(round(mean(numbers)))
        guesses["mean"] = lambda row: average
    scores = {name: [answer_score(guess(row), row.labels) for row in rows] for name, guess in guesses.items()}
    return QuestionBaselines(
        task=task.task_name(),
        metric=str(task.metric),
        count=len(rows),
        baselines={name: mean(values) for name, values in scores.items()},
        details=_details(scores, rows),
        majority_answer=training.majority,
        mse=_squared_errors(guesses, rows) if task.answers_are_numbers else None,
        oracle=ceiling(labels),
        ceiling=ceiling(labels, vocabulary),
        oov_share=out_of_vocabulary_share(labels, vocabulary),
    )


def _numbers(answers: Iterable[str]) -> list[float]:
    return [float(answer) for answer in answers if answer.isdecimal()]


def _squared_errors(
    guesses: Mapping[str, Callable[[QuestionRecord], str | None]], rows: Sequence[QuestionRecord]
) -> dict[str, float]:
    """Return the mean squared error of each baseline over rows with numbers."""
    errors = {}
    for name, guess in guesses.items():
        pairs = [(number, _numbers([guess(row) or ""])) for row in rows for number in _numbers(row.labels)]
        known = [(right, given[0]) for right, given in pairs if given]
        if known:
            errors[name] = mean_squared_error([given for _, given in known], [right for right, _ in known])
    return errors


def choice_baselines(
    train: Sequence[ChoiceRecord], rows: Sequence[ChoiceRecord], task: TaskClass
) -> BaselineScores:
    """Score a random option, the most frequent position, and the option that the training rows favour."""
    training = TrainingChoices(train)
    scores = {
        "majority": [float(training.majority(row) == row.answer) for row in rows],
        "question_only": [float(training.question_only(row) == row.answer) for row in rows],
    }
    return BaselineScores(
        task=task.task_name(),
        metric=str(task.metric),
        count=len(rows),
        baselines={"random": expected_by_chance(rows)}
        | {name: mean(values) for name, values in scores.items()},
        details=_details(scores, rows),
        ceiling=1.0,
    )


def retrieval_baselines(
    rows: Sequence[CaptionRecord], documents: Sequence[Record] | None, task: TaskClass
) -> RetrievalBaselines:
    """Score BM25 between captions and texts about the recordings, in both directions, and a random order.

    Args:
        rows: captions to search with; their recordings are the candidates.
        documents: texts about recordings, joined by `media_id`; None: BM25 is null.
    """
    search = RetrievalSet.from_records(rows)
    rights = [search.right_media[text] for text in search.text_of_row]
    chance = {"random": chance_mrr([len(right) for right in rights], len(search.media_ids))}
    scores = RetrievalBaselines(
        task=task.task_name(),
        metric=str(task.metric),
        count=len(rows),
        recordings=len(search.media_ids),
        baselines=chance,
        details={},
    )
    if documents is None:
        note = "there is no text about these recordings to search in: name some with --documents"
        return replace(scores, notes=(note,))
    texts: dict[str, list[str]] = {}
    for document in documents:
        texts.setdefault(document.media_id, []).append(document.text)
    bm25 = Bm25([" ".join(texts.get(media_id, ())) for media_id in search.media_ids])
    by_text = np.stack([bm25.scores(text) for text in search.texts])
    of_rows = [by_text[text] for text in search.text_of_row]
    queries = rank_queries(np.stack(of_rows), rights)
    reciprocals = [query.reciprocal for query in queries]
    interval = bootstrap_interval(reciprocals, [row.media_id for row in rows])
    return replace(
        scores,
        documents=sum(media_id in texts for media_id in search.media_ids),
        baselines={**chance, "bm25": mean(reciprocals)},
        details={"bm25": BaselineDetails(interval=interval)},
        text2video=ranking_scores(queries),
        video2text=ranking_scores(rank_queries(by_text.T, search.right_texts)),
    )


def _details(
    scores: Mapping[str, Sequence[float]], rows: Sequence[QuestionRecord] | Sequence[ChoiceRecord]
) -> dict[str, BaselineDetails]:
    """Return interval and groups of each baseline's scores."""
    media = [row.media_id for row in rows]
    return {
        name: BaselineDetails(
            interval=bootstrap_interval(values, media),
            by_type=scores_by_group(values, [row.answer_type for row in rows]),
            by_app=scores_by_group(values, [row.app for row in rows]),
        )
        for name, values in scores.items()
    }
