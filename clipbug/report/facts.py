"""Header, training curves, notes and reproduction commands of a report."""

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipbug.evaluation.scores import AnswerScores, Scores
from clipbug.report.contents import Curve
from clipbug.runtime.json_reading import read_note
from clipbug.workspace.predictions import PredictionSource
from clipbug.workspace.run_folder import RunFolder

_COLLAPSED_FILES = ("config.yaml", "environment.json")
_OMITTED_CURVES = ("gradient_norm", "data_wait_share", "backbone")
_COUNTED = {
    "missing": "questions have no prediction and count as wrong",
    "unmatched": "predictions match no question and are ignored",
    "unlabelled": "questions have no answer to score against",
    "unlisted": "pairs of a query and a recording have no score and are ranked last",
}


def head_facts(
    task: str, found: PredictionSource, files: Sequence[Path], num_queries: int, num_media: int
) -> dict[str, str]:
    """Return the facts for the header of the page, name -> value."""
    note = Path(found.predictions).with_name("inference.json")
    inferred = read_note(note)
    facts = {
        "task": task.replace("_", " "),
        "questions": f"{num_queries} about {num_media} recordings or screenshots",
        "data": ", ".join(f"{file.parent.name}/{file.name}" for file in files),
        "checkpoint": inferred.get("step", ""),
        "clips": str(inferred.get("num_clips", "")),
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    return {name: value for name, value in facts.items() if value}


def training_curves(path: Path) -> list[Curve]:
    """Return the relevant metrics of metrics.jsonl over the training steps."""
    points: dict[str, list[tuple[float, float]]] = {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:  # an incomplete line of a killed or running training
            break
        for name, value in line.items():
            if name not in ("step", "seconds") and isinstance(value, int | float):
                points.setdefault(name, []).append((line["step"], value))
    wanted = (name for name in points if not name.endswith(_OMITTED_CURVES))
    return [Curve(_curve_name(name), tuple(points[name])) for name in wanted if len(points[name]) > 1]


def reproduction_commands(run: RunFolder | None, found: PredictionSource, files: Sequence[Path]) -> list[str]:
    """Return the commands that reproduce the predictions and scores."""
    data = " ".join(shlex.quote(str(file)) for file in files)
    if run is None:
        return [f"clipbug evaluate --predictions {shlex.quote(found.predictions)} --data {data}"]
    folder = shlex.quote(str(run.path))
    command = run.config().task.command
    return [
        f"clipbug {command} --config {shlex.quote(str(run.path / 'config.yaml'))} --output NEW_FOLDER",
        f"clipbug infer --run {folder} --data {data}",
        f"clipbug evaluate --run {folder} --data {data}",
        f"clipbug report {folder}",
    ]


def collapsed_files(run: RunFolder | None, scores: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the full scores, config and environment as text, by name."""
    texts = {} if scores is None else {"all scores": json.dumps(scores, indent=1, ensure_ascii=False)}
    for name in _COLLAPSED_FILES if run is not None else ():
        path = run.path / name if run is not None else Path(name)
        if path.exists():
            texts[name] = path.read_text(encoding="utf-8")
    return texts


def scoring_notes(scores: Scores | None) -> list[str]:
    """Return notes on predictions and questions that were not scored as usual."""
    if scores is None:
        return ["No question has a known answer, so there are no scores."]
    notes = [f"{number} {_COUNTED[key]}." for key, number in scores.left_out().items() if number]
    if isinstance(scores, AnswerScores) and scores.oov_share:
        share = 100 * scores.oov_share
        notes.append(f"{share:.1f} % of the questions have no answer in the vocabulary of the model.")
    return notes


def _curve_name(name: str) -> str:
    return name.replace("learning_rate/transformer", "learning rate").replace("/", ", ").replace("_", " ")
