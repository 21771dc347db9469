"""`clipbug data vocab`: the answers of training files, each with its class."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from clipbug.config.data import DataFormat
from clipbug.data.annotations import read_annotations
from clipbug.data.annotations.answer_forms import AnswerForm, in_form
from clipbug.data.annotations.answers import AnswerVocabulary, fold
from clipbug.data.records import QuestionRecord
from clipbug.errors import DataError
from clipbug.workspace.storage import split_of


@dataclass(frozen=True, slots=True)
class VocabularyReport:
    """What a vocabulary holds and covers.

    Attributes:
        rows: training rows with an answer.
        covered: share of them that have an answer of the vocabulary.
        merged: spellings that differ in case and space only from a kept one.
        left_out: answers seen too seldom.
    """

    output: str
    files: tuple[str, ...]
    answers: int
    rows: int
    covered: float
    merged: int
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return asdict(self)


def make_vocabulary(
    files: Sequence[Path],
    *,
    output: Path,
    min_count: int = 1,
    form: AnswerForm = "full",
    data_format: DataFormat | None = None,
) -> VocabularyReport:
    """Write {answer: class} of training files; the same files always give the same classes.

    Args:
        files: training files of questions.
        output: file to write; one that is there already must hold the same.
        min_count: answers of fewer rows are left out.
        form: what is made of each answer.
        data_format: family of the files; default: by their fields.

    Raises:
        DataError: a file holds validation or test rows by its name, or no questions; no answer is left;
            `output` holds another vocabulary.
    """
    _refuse_held_out(files)
    rows = [row for path in files for row in _questions(path, data_format) if row.labels]
    rows = [replace(row, labels={in_form(answer, form): 1.0 for answer in row.labels}) for row in rows]
    vocabulary = AnswerVocabulary.from_records(rows, min_count=min_count)
    if output.exists() and AnswerVocabulary.load(output).answers != vocabulary.answers:
        raise DataError(
            f"{output} holds another vocabulary; trained models may depend on it", "name another --output"
        )
    vocabulary.save(output)
    spellings = {answer for row in rows for answer in row.labels}
    distinct = {fold(answer) for answer in spellings}
    covered = sum(any(vocabulary.index_of(answer) is not None for answer in row.labels) for row in rows)
    return VocabularyReport(
        output=str(output),
        files=tuple(map(str, files)),
        answers=len(vocabulary),
        rows=len(rows),
        covered=covered / len(rows),
        merged=len(spellings) - len(distinct),
        left_out=len(distinct) - len(vocabulary),
    )


def _refuse_held_out(files: Sequence[Path]) -> None:
    held_out = [path for path in files if split_of(path) in ("val", "test")]
    if held_out:
        raise DataError(
            f"{', '.join(map(str, held_out))}: the name says that these rows are held out; answers that only"
            " they have would leak into the model",
            "give training files only",
        )


def _questions(path: Path, data_format: DataFormat | None) -> list[QuestionRecord]:
    records = read_annotations(path, family=data_format or "auto")
    questions = [record for record in records if isinstance(record, QuestionRecord)]
    if len(questions) < len(records):
        raise DataError(f"{path} holds no open questions, so it has no answers", "give files of questions")
    return questions
