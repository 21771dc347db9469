"""Recipes that only note how they are called, so that the command line is tested alone and fast."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from clipbug.cli.main import main
from clipbug.evaluation.scores import AnswerScores, BaselineScores
from tests.helpers.report_contents import SCORES

POSITIONS = ("first", "second")
# What the tables of `evaluate` and `demo` read; the other commands print whatever a report holds.
ANY_REPORT: dict[str, Any] = {
    **{"task": "vqa", "metric": "accuracy", "score": 0.5, "interval": [0.4, 0.6], "count": 3},
    **{"baselines": {"majority": 0.1, "question_only": None}, "ceiling": 1.0, "oov_share": 0.0},
    **{"by_type": {"yes/no": {"score": 0.5, "count": 3}}, "by_app": {}, "missing": 0, "unmatched": 0},
    **{"unlabelled": 0, "predictions": "predictions.jsonl", "data": ["test.jsonl"], "results": []},
    **{"recordings": 2, "screens": 2, "storage": "storage", "next_commands": [], "seconds": 1.0},
    **{"bad": [], "report": None, "address": "http://127.0.0.1:7860"},
    **{
        "machine": "a machine",
        "rows": [],
        "matrix_gflops": {},
        "questions": 6,
        "num_clips": 16,
        "memory": None,
    },
    **{"version": "0", "usable": True, "findings": []},
    **{"files": [], "scores": [], "errors": 0, "warnings": 0},
}


BASELINES = BaselineScores(
    task="vqa", metric="vqa_score", count=3, baselines={"majority": 0.1}, details={}, ceiling=1.0
)


@dataclass
class FakeReport:
    """Any recipe's report."""

    payload: dict[str, Any]
    bad: tuple[Any, ...] = ()
    not_prepared: tuple[Any, ...] = ()
    damaged: int = 0
    is_usable: bool = True
    timelines: tuple[Any, ...] = ()
    written: tuple[Any, ...] = ()
    text: str = ""
    scores: AnswerScores | BaselineScores = SCORES  # what the tables of `evaluate` and `baseline` read
    predictions: str = "predictions.jsonl"
    data: tuple[str, ...] = ("test.jsonl",)

    def to_json(self) -> dict[str, Any]:
        return self.payload


@dataclass
class FakeRecipes:
    """What was called, and what the next call does."""

    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    report: FakeReport = field(default_factory=lambda: FakeReport(dict(ANY_REPORT)))
    raises: BaseException | None = None
    before: Callable[[], None] = lambda: None

    def install(self, monkeypatch: pytest.MonkeyPatch, module: str, function: str) -> None:
        """Put a module in the place of clipbug.recipes.<module>, or of clipbug.<module> if it has a dot."""
        name = f"clipbug.{module}" if "." in module else f"clipbug.recipes.{module}"

        def recipe(*args: Any, **kwargs: Any) -> FakeReport:
            self.calls.append((module, function, {**dict(zip(POSITIONS, args, strict=False)), **kwargs}))
            self.before()
            if self.raises is not None:
                raise self.raises
            return replace(self.report, scores=BASELINES) if module == "baseline" else self.report

        fake = sys.modules.get(name) or ModuleType(name)
        monkeypatch.setattr(fake, function, recipe, raising=False)
        monkeypatch.setitem(sys.modules, name, fake)

    @property
    def arguments(self) -> dict[str, Any]:
        """Of the only call."""
        assert len(self.calls) == 1, self.calls
        return self.calls[0][2]


@dataclass
class FakeStorage:
    """Where stores go."""

    root: Path

    @property
    def stores_dir(self) -> Path:
        return self.root / "vis_db"


def exit_code_of(*arguments: str) -> int:
    """Run a command line in this process and return its exit code."""
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert isinstance(leaving.value.code, int)
    return leaving.value.code
