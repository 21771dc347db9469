"""What a report shows, before it becomes a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from clipbug.evaluation.scores import Scores
from clipbug.tasks.base import ClipPrediction

Verdict = Literal["wrong", "partial", "right", "unscored"]

# Worst first: sure and wrong, then half right, then right but unsure; what nobody can score comes last.
_ORDER: Mapping[Verdict, int] = {"wrong": 0, "partial": 1, "right": 2, "unscored": 3}


@dataclass(frozen=True, slots=True)
class Card:
    """One question with its answer and what is known of the right one.

    Attributes:
        votes: what each clip says on its own; none where that is unknown.
        labels: acceptable answer -> weight; empty where the right answer is unknown.
        score: weight that the given answer earns; None where there are no labels.
        evidence: data URI of a picture that marks what the answer rests on, or None.
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
        """How good the answer is."""
        if self.score is None:
            return "unscored"
        return (
            "wrong" if self.score <= 0 else "right" if self.score >= max(self.labels.values()) else "partial"
        )

    @property
    def expected(self) -> str | None:
        """The label of greatest weight."""
        return max(self.labels, key=self.labels.__getitem__) if self.labels else None

    @property
    def frame_seconds(self) -> tuple[float, ...]:
        """Times of all frames of all clips, in order."""
        return tuple(time for vote in self.votes for time in vote.frame_seconds)

    @property
    def rank(self) -> tuple[int, float]:
        """Sorts the worst first."""
        sure_first = self.verdict in ("wrong", "partial")
        return _ORDER[self.verdict], -self.probability if sure_first else self.probability


@dataclass(frozen=True, slots=True)
class Ranking:
    """One query of a search with the recordings that were found.

    Attributes:
        text: what was searched for.
        media_id: the recording that was searched with, or None.
        right: the recordings that belong to the query.
        results: recordings with scores, best first; not all of them.
        num_shown: how many of them the page shows.
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
        """Of the first right recording, from 1; None if it is not among the results."""
        places = (place for place, (media_id, _) in enumerate(self.results, 1) if media_id in self.right)
        return next(places, None)

    @property
    def order(self) -> float:
        """Sorts the worst first; queries to which nothing belongs come last."""
        if not self.right:
            return float("inf")
        return -(self.rank or len(self.results) + 1)

    @property
    def shown(self) -> tuple[str, ...]:
        """The recordings whose pictures the page shows."""
        found = [media_id for media_id, _ in self.results[: self.num_shown]]
        wanted = [media_id for media_id in self.right[:1] if media_id not in found]
        return (*([] if self.media_id is None else [self.media_id]), *wanted, *found)


@dataclass(frozen=True, slots=True)
class Filmstrip:
    """The frames of one recording side by side in one picture, which all its questions share.

    Attributes:
        uri: the picture as a data URI.
        width, height: of one frame in it, in pixels.
        frame_seconds: time of each frame, in order.
    """

    uri: str
    width: int
    height: int
    frame_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The mean score of some of the questions, with its 95 % interval over recordings."""

    name: str
    score: float
    count: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One number of the training over its steps."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class DataFinding:
    """One thing that a check of the data found."""

    severity: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ReportContents:
    """Everything that the page shows.

    Attributes:
        facts: name -> value, for the head of the page.
        scores: what `evaluate` computes; None where no answer is known.
        cards: the questions; none of a search.
        rankings: the queries of a search; none of other tasks.
        groups: heading -> groups.
        filmstrips: media id -> its frames.
        commands: how to make the same results again.
        files: name -> text, shown folded (config, environment).
        notes: what was left out, and why.
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
