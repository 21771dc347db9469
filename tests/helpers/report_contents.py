"""Contents of reports, without a run."""

from dataclasses import replace

import numpy as np

from clipbug.evaluation.scores import AnswerScores
from clipbug.metrics.groups import GroupScore
from clipbug.report.contents import Card, Curve, DataFinding, Filmstrip, Group, ReportContents
from clipbug.report.pictures import make_filmstrip
from clipbug.tasks.base import ClipPrediction

SCORES = AnswerScores(
    task="video_qa",
    score=0.5,
    metric="accuracy",
    count=4,
    interval=(0.4, 0.6),
    ceiling=0.9,
    baselines={"majority": 0.1, "question_only": None},
    by_type={"yes/no": GroupScore(0.5, 4)},
    by_app={},
    missing_ids=(),
    unlabelled=0,
    oov_share=0.0,
)


def card(number: int = 0, **changes: object) -> Card:
    """A wrong answer about one of the recordings."""
    votes = (
        ClipPrediction(0.0, 0.5, (0.0, 0.5), "yes", 0.8),
        ClipPrediction(1.0, 1.5, (1.0, 1.5), "no", 0.6),
    )
    plain = Card(
        record_id=f"r{number}",
        media_id=f"video{number % 5}",
        question=f"is it blue? ({number})",
        answer="yes",
        probability=0.75,
        top=(("yes", 0.75), ("no", 0.25)),
        votes=votes,
        labels={"no": 1.0},
        score=0.0,
        answer_type="is",
        app="mosaic",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def strip(seed: int = 0) -> Filmstrip:
    """Four small frames."""
    pictures = np.random.default_rng(seed).integers(0, 256, (4, 32, 18, 3)).astype(np.uint8)
    return make_filmstrip(pictures, (0.0, 0.5, 1.0, 1.5))


def contents(*cards: Card, **changes: object) -> ReportContents:
    """A whole report about the cards."""
    plain = ReportContents(
        title="video-qa-001",
        facts={"task": "video qa"},
        scores=SCORES,
        cards=cards,
        rankings=(),
        groups={"app": [Group("mosaic", 0.5, 4, 0.2, 0.8)]},
        curves=[Curve("loss", ((1, 3.0), (2, 2.0), (3, 1.5)))],
        filmstrips={f"video{number}": strip(number) for number in range(5)},
        findings=[DataFinding("warning", "two labels differ in case only", "join them")],
        commands=["clipbug infer"],
        files={"config.yaml": "seed: 1"},
        notes=["One note."],
    )
    return replace(plain, **changes)  # type: ignore[arg-type]
