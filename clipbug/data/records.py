"""Typed annotations: one row of an annotation file, whatever the file's family."""

from collections.abc import Mapping
from dataclasses import dataclass, field

UNKNOWN_TYPE = "unknown"


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """One question about one image or recording.

    Attributes:
        record_id: Unique within the data set; predictions are joined on it.
        question_id: Question id from the file (as text), or `record_id` if the file has none.
        media_id: Key of the image or recording in the store.
        question: Question as worded in the file.
        labels: Answer -> weight in [0, 1]. One answer of weight 1 for open-ended QA; empty if unknown.
        answer_type: Lower-cased; "unknown" if the file has none.
        app: Name of the app, if the file gives one.
        source: "file:line", for messages.
    """

    record_id: str
    question_id: str
    media_id: str
    question: str
    labels: Mapping[str, float] = field(default_factory=dict)
    answer_type: str = UNKNOWN_TYPE
    app: str | None = None
    source: str = ""

    @property
    def answer(self) -> str | None:
        """Return the answer of greatest weight (the first on a tie), or None."""
        return max(self.labels, key=self.labels.__getitem__) if self.labels else None

    @property
    def text(self) -> str:
        """Return the model's text input."""
        return self.question

    @property
    def texts(self) -> tuple[str, ...]:
        """Return all text inputs of the model, here one."""
        return (self.question,)


@dataclass(frozen=True, slots=True)
class CaptionRecord:
    """One sentence that describes one image or recording."""

    record_id: str
    media_id: str
    caption: str
    app: str | None = None
    source: str = ""

    @property
    def text(self) -> str:
        """Return the model's text input."""
        return self.caption

    @property
    def texts(self) -> tuple[str, ...]:
        """Return all text inputs of the model, here one."""
        return (self.caption,)


@dataclass(frozen=True, slots=True)
class ChoiceRecord:
    """One question about, or caption of, one image or recording, with the options to choose from.

    Attributes:
        options: At least two, in the file's order.
        answer: Index of the correct option; None if unknown.
    """

    record_id: str
    question_id: str
    media_id: str
    question: str
    options: tuple[str, ...]
    answer: int | None = None
    answer_type: str = UNKNOWN_TYPE
    app: str | None = None
    source: str = ""

    @property
    def text(self) -> str:
        """Return the question without the options."""
        return self.question

    @property
    def texts(self) -> tuple[str, ...]:
        """Return one text input per option: the question, a space and the option, as in ClipBERT."""
        return tuple(f"{self.question} {option}".strip() for option in self.options)

    @property
    def labels(self) -> Mapping[str, float]:
        """Return the correct option as a single answer of weight 1; empty if unknown."""
        return {} if self.answer is None else {self.options[self.answer]: 1.0}


@dataclass(frozen=True, slots=True)
class MediaRecord:
    """One image or recording without any text, such as a recording in a file of duplicates."""

    record_id: str
    media_id: str
    app: str | None = None
    source: str = ""

    @property
    def text(self) -> str:
        """Return the empty text: there is nothing to read."""
        return ""

    @property
    def texts(self) -> tuple[str, ...]:
        """Return no texts."""
        return ()


QuestionOrChoice = QuestionRecord | ChoiceRecord
Record = QuestionOrChoice | CaptionRecord | MediaRecord
