"""The results of evaluations, as typed objects whose `to_json` is what `evaluate` and `baseline` print."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipbug.config.task import find_task
from clipbug.metrics.duplicates import Setting
from clipbug.metrics.groups import GroupScore
from clipbug.metrics.ranking import RankSummary
from clipbug.metrics.retrieval import DirectionScores

Interval = tuple[float, float]
"""The 95 % interval of a score, from resampling recordings (or bugs), not rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What every evaluation yields.

    Attributes:
        task: name of the task, or of an evaluation that belongs to no task.
        score: the main score, in [0, 1].
        metric: name of the main score.
        count: number of rows or queries that are scored.
        ceiling: the best score that the model could reach.
        baselines: name -> main score; None where it is unknown.
        missing: number of rows without a prediction; they count as wrong.
        unmatched: number of predictions without a row; they are left out.
    """

    task: str
    score: float
    metric: str
    count: int
    interval: Interval
    ceiling: float
    baselines: Mapping[str, float | None]
    by_app: Mapping[str, GroupScore]
    missing: int = 0
    unmatched: int = 0

    def left_out(self) -> dict[str, int]:
        """Return how many rows and predictions did not count as usual, by reason."""
        return {"missing": self.missing, "unmatched": self.unmatched}

    def to_json(self) -> dict[str, Any]:
        """Return what every evaluation prints."""
        return {
            "task": self.task,
            "score": self.score,
            "metric": self.metric,
            "count": self.count,
            "interval": list(self.interval),
            "ceiling": self.ceiling,
            "baselines": dict(self.baselines),
            "by_app": _groups(self.by_app),
            **self.left_out(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerScores(Scores):
    """Scores of answers.

    Attributes:
        missing_ids: the rows without a prediction.
        unlabelled: number of rows without an answer; they are not scored.
        oov_share: share of the rows whose answers the model cannot give; None: it can give any answer.
        mse: mean squared error of numbers; None: there are none.
    """

    missing_ids: tuple[str, ...]
    unlabelled: int
    oov_share: float | None
    by_type: Mapping[str, GroupScore]
    mse: float | None = None

    def left_out(self) -> dict[str, int]:
        """Return how many rows and predictions did not count as usual, by reason."""
        return {"missing": self.missing, "unmatched": self.unmatched, "unlabelled": self.unlabelled}

    def to_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` prints (docs/cli.md)."""
        numbers = {"mse": self.mse} if find_task(self.task).answers_are_numbers else {}
        return {
            **Scores.to_json(self),
            "answered": self.count - self.missing,
            "missing_ids": list(self.missing_ids),
            "oov_share": self.oov_share,
            **numbers,
            "by_type": _groups(self.by_type),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingScores(Scores):
    """Scores of rankings of recordings.

    Attributes:
        recordings: number of recordings that are ranked.
        ties: number of queries whose rank the rule for equal scores decided.
        unlisted: number of pairs of a query and a recording without a score; they come last.
    """

    recordings: int
    ties: float
    unlisted: int = 0

    def left_out(self) -> dict[str, int]:
        """Return how many rows, predictions and pairs did not count as usual, by reason."""
        return {"missing": self.missing, "unmatched": self.unmatched, "unlisted": self.unlisted}

    def to_json(self) -> dict[str, Any]:
        """Return what the evaluation of any rankings prints."""
        return {**Scores.to_json(self), "recordings": self.recordings, "ties": self.ties}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalScores(RankingScores):
    """Scores of retrieval in both directions.

    Attributes:
        texts: number of different texts.
        video2text: None where not every pair has a score, so that texts cannot be ranked.
    """

    texts: int
    text2video: DirectionScores
    video2text: DirectionScores | None

    def to_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` prints (docs/tasks.md)."""
        return {
            **RankingScores.to_json(self),
            "texts": self.texts,
            "text2video": self.text2video.to_json(),
            "video2text": None if self.video2text is None else self.video2text.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateScores(RankingScores):
    """Scores of duplicate detection.

    Attributes:
        without_duplicate: number of recordings that are the only one of their bug, so that they ask nothing.
        settings: setting (which recordings are candidates) -> name of the similarity -> scores.
    """

    without_duplicate: int
    settings: Mapping[Setting, Mapping[str, RankSummary]]

    def to_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` prints (docs/tasks.md)."""
        return {
            **RankingScores.to_json(self),
            "without_duplicate": self.without_duplicate,
            "settings": {
                setting: {name: summary.to_json() for name, summary in by_name.items()}
                for setting, by_name in self.settings.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineDetails:
    """Interval and groups of one baseline; no groups where they are not computed."""

    interval: Interval
    by_type: Mapping[str, GroupScore] | None = None
    by_app: Mapping[str, GroupScore] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the interval and the groups that are known."""
        groups = {"by_type": self.by_type, "by_app": self.by_app}
        known = {name: _groups(scores) for name, scores in groups.items() if scores is not None}
        return {"interval": list(self.interval), **known}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineScores:
    """Scores of guesses that use no pictures.

    Attributes:
        task: name of the task.
        metric: name of the score.
        count: number of rows that are scored.
        baselines: name -> score.
        details: name -> more about the score, of some baselines.
        ceiling: the best score with the answers of the training rows; None: it does not apply.
    """

    task: str
    metric: str
    count: int
    baselines: Mapping[str, float]
    details: Mapping[str, BaselineDetails]
    ceiling: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `baseline --json` prints (docs/data-tools.md)."""
        details = {name: one.to_json() for name, one in self.details.items()}
        return {
            "task": self.task,
            "metric": self.metric,
            "count": self.count,
            "baselines": dict(self.baselines),
            **({"details": details} if details else {}),
            **({} if self.ceiling is None else {"ceiling": self.ceiling}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionBaselines(BaselineScores):
    """Baselines of open-ended questions.

    Attributes:
        majority_answer: the most frequent answer of the training rows.
        oracle: score of the best label of every row.
        oov_share: share of the rows whose answers the training rows lack.
        mse: baseline -> mean squared error of numbers; None: the answers are no numbers.
    """

    majority_answer: str | None
    oracle: float
    oov_share: float
    mse: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `baseline --json` prints (docs/data-tools.md)."""
        return {
            **BaselineScores.to_json(self),
            "majority_answer": self.majority_answer,
            **({} if self.mse is None else {"mse": dict(self.mse)}),
            "oracle": self.oracle,
            "oov_share": self.oov_share,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalBaselines(BaselineScores):
    """Baselines of retrieval.

    Attributes:
        recordings: number of recordings that are searched.
        documents: number of them that there is a text about.
        text2video: rank scores of BM25; None without documents.
        video2text: the same in the other direction.
        notes: what could not be computed.
    """

    recordings: int
    documents: int = 0
    text2video: Mapping[str, float] | None = None
    video2text: Mapping[str, float] | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what `baseline --json` prints (docs/data-tools.md)."""
        return {
            **BaselineScores.to_json(self),
            "recordings": self.recordings,
            "documents": self.documents,
            "text2video": self.text2video,
            "video2text": self.video2text,
            **({"notes": list(self.notes)} if self.notes else {}),
        }


def _groups(groups: Mapping[str, GroupScore]) -> dict[str, Any]:
    return {name: group.to_json() for name, group in groups.items()}
