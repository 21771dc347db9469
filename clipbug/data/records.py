"""Typed rows: what one line of an annotation file says, whatever the file's family."""

from collections.abc import Mapping
from dataclasses import dataclass, field

UNKNOWN_TYPE = "unknown"


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """One question about one image or recording.

    Attributes:
        record_id: unique within the data set; rows of predictions are joined on it.
        question_id: as the file gives it (as text), or `record_id` where it has none.
        media_id: key of the image or recording in the store.
        question: the question as the file words it.
        labels: answer -> weight in [0, 1]; one answer of weight 1 for open-ended QA; empty where unknown.
        answer_type: lower-cased; "unknown" where the file has none.
        app: the app's name where the file gives one.
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
        """The answer of greatest weight (the first of equals), or None."""
        return max(self.labels, key=self.labels.__getitem__) if self.labels else None

    @property
    def text(self) -> str:
        """What the model reads."""
        return self.question

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that the model reads, here one."""
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
        """What the model reads."""
        return self.caption

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that the model reads, here one."""
        return (self.caption,)


@dataclass(frozen=True, slots=True)
class ChoiceRecord:
    """One question about one image or recording, or one caption of it, with the answers to choose from.

    Attributes:
        options: at least two, in the file's order.
        answer: index of the right option; None where unknown.
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
        """What is asked, without the options."""
        return self.question

    @property
    def texts(self) -> tuple[str, ...]:
        """What the model reads, one text per option: the question, a space, the option (as the original)."""
        return tuple(f"{self.question} {option}".strip() for option in self.options)

    @property
    def labels(self) -> Mapping[str, float]:
        """The right option as the one answer, of weight 1; empty where unknown."""
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
