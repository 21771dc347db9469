"""The contents of a report, before rendering."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from clipbug.evaluation.scores import Scores
from clipbug.tasks.base import ClipPrediction

Verdict = Literal["wrong", "partial", "right", "unscored"]

# Worst first: confident and wrong, then partially correct, then correct but uncertain, then unscored.
_ORDER: Mapping[Verdict, int] = {"wrong": 0, "partial": 1, "right": 2, "unscored": 3}


@dataclass(frozen=True, slots=True)
class Card:
    """One question with the predicted answer and its labels.

    Attributes:
        votes: the prediction of each clip; empty if unknown.
        labels: acceptable answer -> weight; empty if the correct answer is unknown.
        score: weight of the predicted answer; None without labels.
        evidence: data URI of an image that marks the evidence of the answer, or None.
    """

    record_id: str
    media_id: str
    question: str
    answer: str
    probability: float
    top: tuple[tuple[str, float], ...]
    votes: tuple[ClipPrediction, ...]
    labels: Mapping[str, float]
    score: float | None
    answer_type: str
    app: str | None
    source: str = ""
    evidence: str | None = None

    @property
    def verdict(self) -> Verdict:
        """Return whether the answer is wrong, partially correct, correct or unscored."""
        if self.score is None:
            return "unscored"
        return (
            "wrong" if self.score <= 0 else "right" if self.score >= max(self.labels.values()) else "partial"
        )

    @property
    def expected(self) -> str | None:
        """Return the label of greatest weight, or None without labels."""
        return max(self.labels, key=self.labels.__getitem__) if self.labels else None

    @property
    def frame_seconds(self) -> tuple[float, ...]:
        """Return the times of all frames of all clips, in order."""
        return tuple(time for vote in self.votes for time in vote.frame_seconds)

    @property
    def rank(self) -> tuple[int, float]:
        """Return a sort key that puts the worst card first."""
        confident_first = self.verdict in ("wrong", "partial")
        return _ORDER[self.verdict], -self.probability if confident_first else self.probability


@dataclass(frozen=True, slots=True)
class Ranking:
    """One query of a search with its ranked recordings.

    Attributes:
        text: the query, or a description of it.
        media_id: the query recording, or None for a text query.
        right: the relevant recordings.
        results: the top recordings with their scores, best first.
        num_shown: number of results on the page.
    """

    record_id: str
    text: str
    app: str | None
    media_id: str | None
    right: tuple[str, ...]
    results: tuple[tuple[str, float], ...]
    num_shown: int

    @property
    def rank(self) -> int | None:
        """Return the rank of the first relevant recording, from 1; None if no result is relevant."""
        ranks = (rank for rank, (media_id, _) in enumerate(self.results, 1) if media_id in self.right)
        return next(ranks, None)

    @property
    def order(self) -> float:
        """Return a sort key: the worst ranking first, queries without relevant recordings last."""
        if not self.right:
            return float("inf")
        return -(self.rank or len(self.results) + 1)

    @property
    def shown(self) -> tuple[str, ...]:
        """Return the recordings whose frames the page shows."""
        found = [media_id for media_id, _ in self.results[: self.num_shown]]
        wanted = [media_id for media_id in self.right[:1] if media_id not in found]
        return (*([] if self.media_id is None else [self.media_id]), *wanted, *found)


@dataclass(frozen=True, slots=True)
class Filmstrip:
    """The frames of one recording side by side in one image, shared by all its questions.

    Attributes:
        uri: the image as a data URI.
        width: width of one frame in pixels.
        height: height of one frame in pixels.
        frame_seconds: time of each frame, in order.
    """

    uri: str
    width: int
    height: int
    frame_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The mean score of a group of questions, with its 95 % confidence interval over recordings."""

    name: str
    score: float
    count: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric over the training steps."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class DataFinding:
    """One finding of the data check."""

    severity: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ReportContents:
    """Everything that the page shows.

    Attributes:
        facts: name -> value, for the header of the page.
        scores: the result of `evaluate`; None without any label.
        cards: the questions; empty for a search.
        rankings: the queries of a search; empty for other tasks.
        groups: heading -> groups.
        filmstrips: media id -> its frames.
        commands: the commands that reproduce the results.
        files: name -> text, shown collapsed (config, environment).
        notes: what the report omits, and why.
    """

    title: str
    facts: Mapping[str, str]
    scores: Scores | None
    cards: Sequence[Card]
    rankings: Sequence[Ranking]
    groups: Mapping[str, Sequence[Group]]
    curves: Sequence[Curve]
    filmstrips: Mapping[str, Filmstrip]
    findings: Sequence[DataFinding]
    commands: Sequence[str]
    files: Mapping[str, str]
    notes: Sequence[str]
