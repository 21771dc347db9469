"""`clipbug data vocab`: build the answer vocabulary of training files."""

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
class VocabularyResult:
    """The size and coverage of a vocabulary.

    Attributes:
        rows: number of training rows with an answer.
        covered: share of them with an answer in the vocabulary.
        merged: number of spellings that differ from a kept one only in case and space.
        left_out: number of answers that are too rare.
    """

    output: str
    files: tuple[str, ...]
    answers: int
    rows: int
    covered: float
    merged: int
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def make_vocabulary(
    files: Sequence[Path],
    *,
    output: Path,
    min_count: int = 1,
    form: AnswerForm = "full",
    data_format: DataFormat | None = None,
) -> VocabularyResult:
    """Write {answer: class} for training files; the result is deterministic.

    Args:
        files: training files with questions.
        output: file to write; if it exists, it must contain the same vocabulary.
        min_count: answers of fewer rows are skipped.
        form: form of the answers that become classes.
        data_format: family of the files; default: inferred from their fields.

    Returns:
        The size and coverage of the vocabulary.

    Raises:
        DataError: a file is a validation or test file by its name, or has no questions; no answer is left; or
            `output` contains another vocabulary.
    """
    _refuse_held_out(files)
    rows = [row for path in files for row in _questions(path, data_format) if row.labels]
    rows = [replace(row, labels={in_form(answer, form): 1.0 for answer in row.labels}) for row in rows]
    vocabulary = AnswerVocabulary.from_records(rows, min_count=min_count)
    if output.exists() and AnswerVocabulary.load(output).answers != vocabulary.answers:
        raise DataError(
            f"{output} contains another vocabulary, which trained models may depend on",
            "choose another file with --output",
        )
    vocabulary.save(output)
    spellings = {answer for row in rows for answer in row.labels}
    distinct = {fold(answer) for answer in spellings}
    covered = sum(any(vocabulary.index_of(answer) is not None for answer in row.labels) for row in rows)
    return VocabularyResult(
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
            f"{', '.join(map(str, held_out))}: validation or test data by its name, whose answers would leak"
            " into the model",
            "give only training files",
        )


def _questions(path: Path, data_format: DataFormat | None) -> list[QuestionRecord]:
    records = read_annotations(path, family=data_format or "auto")
    questions = [record for record in records if isinstance(record, QuestionRecord)]
    if len(questions) < len(records):
        raise DataError(
            f"{path} has rows without open-ended questions, so it has no answer classes",
            "give vqa or video-qa files",
        )
    return questions
