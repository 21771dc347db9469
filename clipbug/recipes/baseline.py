"""`clipbug baseline`: score guesses that use no pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from clipbug.builders.records import read_records
from clipbug.config.data import DataFormat
from clipbug.config.task import TASKS, TaskClass, find_task, task_of_family
from clipbug.data.annotations import detect_family
from clipbug.data.annotations.media_ids import fold_id
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionRecord, Record
from clipbug.errors import ConfigError, DataError
from clipbug.evaluation.baselines import choice_baselines, question_baselines, retrieval_baselines
from clipbug.evaluation.scores import BaselineScores, RetrievalBaselines

_Kind = TypeVar("_Kind", QuestionRecord, ChoiceRecord, CaptionRecord)


@dataclass(frozen=True, slots=True)
class BaselineReport:
    """Scores of baselines, with the files that they are of.

    Attributes:
        unlabelled: number of rows without an answer; they are not scored.
    """

    scores: BaselineScores
    unlabelled: int
    train: tuple[str, ...]
    data: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints (docs/data-tools.md)."""
        files = {"train": list(self.train), "data": list(self.data)}
        return {**self.scores.to_json(), "unlabelled": self.unlabelled, **files}


def baseline(
    data: Sequence[Path],
    *,
    train: Sequence[Path] = (),
    documents: Sequence[Path] = (),
    task: str | None = None,
    data_format: DataFormat | None = None,
) -> BaselineReport:
    """Score guesses that use no pictures.

    Args:
        data: annotation files with answers to score against.
        train: annotation files to learn the guesses from; needed for questions.
        documents: for retrieval, files with texts about the same recordings (captions, titles, recognized
            text); default: the training captions, where they are about recordings of `data`.
        task: a task that can be scored; default: by the fields of the first file.
        data_format: family as which all files are read; default: the task's own.

    Raises:
        ConfigError: the task has no baselines.
        DataError: a file cannot be read; no training file, or no answers; documents that are the queries.
    """
    chosen = _task_of(data[0]) if task is None else find_task(task)
    if chosen.metric is None:
        scored = ", ".join(one.task_name() for one in TASKS if one.metric is not None)
        raise ConfigError(f"task {task} has no baselines", f"tasks that have some: {scored}")
    rows = read_records(data, chosen.task_name(), data_format=data_format or "auto")
    training = read_records(train, chosen.task_name(), data_format=data_format or "auto")
    scores: BaselineScores
    if chosen.ranks_recordings:
        scores = _retrieval(rows, training, documents, data, chosen)
    else:
        scores = _questions(rows, training, chosen)
    return BaselineReport(
        scores, len(rows) - scores.count, train=tuple(map(str, train)), data=tuple(map(str, data))
    )


def _questions(rows: Sequence[Record], training: Sequence[Record], task: TaskClass) -> BaselineScores:
    if not training:
        raise DataError("there are no training rows to learn guesses from", "name them: --train FILE")
    if choices := _of(ChoiceRecord, rows):
        answered = [row for row in choices if row.answer is not None]
        _refuse_none(answered, rows)
        return choice_baselines(_of(ChoiceRecord, training), answered, task)
    questions = [row for row in _of(QuestionRecord, rows) if row.labels]
    _refuse_none(questions, rows)
    return question_baselines(_of(QuestionRecord, training), questions, task)


def _retrieval(
    rows: Sequence[Record],
    training: Sequence[Record],
    documents: Sequence[Path],
    data: Sequence[Path],
    task: TaskClass,
) -> RetrievalBaselines:
    same = {path.resolve() for path in documents} & {path.resolve() for path in data}
    if same:
        raise DataError(
            f"{', '.join(map(str, sorted(same)))} holds the queries: finding a text in itself shows nothing",
            "give other texts about the recordings with --documents, such as recognized text",
        )
    candidates = {fold_id(row.media_id): row.media_id for row in rows}
    texts = read_records(documents, task.task_name()) if documents else list(training)
    known = [
        replace(row, media_id=candidates[fold_id(row.media_id)])
        for row in texts
        if fold_id(row.media_id) in candidates
    ]
    if documents and not known:
        raise DataError(
            f"none of the {len(texts)} documents is about one of the {len(candidates)} recordings",
            "documents are joined with the recordings by clip_name; ids must be equal",
        )
    return retrieval_baselines(_of(CaptionRecord, rows), known or None, task)


def _task_of(path: Path) -> TaskClass:
    family = detect_family(path)
    if family is None:
        raise DataError(f"{path} is of no known family", "formats: docs/your-own-data.md")
    return task_of_family(family)


def _of(kind: type[_Kind], rows: Sequence[Record]) -> list[_Kind]:
    return [row for row in rows if isinstance(row, kind)]


def _refuse_none(answered: Sequence[Record], rows: Sequence[Record]) -> None:
    if not answered:
        raise DataError(
            f"none of the {len(rows)} rows has an answer to score against", "name files with answers: --data"
        )
