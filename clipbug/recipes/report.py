"""`clipbug report`: one HTML file about a run's answers, with the frames that the model saw."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipbug.errors import DataError
from clipbug.recipes.evaluate import evaluate
from clipbug.recipes.prediction_source import (
    PredictionSource,
    predictions_in_file,
    predictions_of_run,
    read_predictions,
    task_of_file,
)
from clipbug.recipes.report_cards import make_cards
from clipbug.recipes.report_frames import make_filmstrips
from clipbug.recipes.rows import open_media, read_records
from clipbug.recipes.run_folder import RunFolder
from clipbug.recipes.storage import Storage
from clipbug.report.contents import Card, Curve, Group, ReportContents
from clipbug.report.groups import groups_of
from clipbug.report.page import render_page
from clipbug.runtime.files import atomic_write

_FOLDED_FILES = ("config.yaml", "environment.json")
_CURVES_LEFT_OUT = ("gradient_norm", "data_wait_share", "backbone")


@dataclass(frozen=True, slots=True)
class PageReport:
    """What the making of a report tells."""

    output: str
    questions: int
    wrong: int
    score: float | None
    recordings_with_frames: int
    num_bytes: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return asdict(self)


def make_report(
    *,
    storage: Path,
    source: Path | None = None,
    output: Path | None = None,
    data: Path | None = None,
    media: Sequence[Path] = (),
) -> PageReport:
    """Write the page.

    Args:
        storage: storage root.
        source: run folder, folder of a predictions.jsonl or the file itself; default: the newest run.
        output: the page; default: report.html beside the predictions.
        data: annotation file that was answered; default: as noted beside the predictions.
        media: stores; default: those of the run, else all under the storage.

    Raises:
        ClipbugError: no such folder, predictions or annotation file.
    """
    found = _find(source, Storage(storage), data)
    files = (data,) if data is not None else tuple(map(Path, found.data))
    if not files:
        raise DataError(
            f"nothing says which questions {found.predictions} answers", "name the file with --data"
        )
    run = None if found.run is None else RunFolder.open(Path(found.run))
    task = run.config().task.name if run is not None else task_of_file(files[0])
    read_as = "auto" if run is None else run.config().data.format
    cards = make_cards(
        read_predictions(Path(found.predictions)), read_records(files, task, data_format=read_as)
    )
    stores = _stores(run, media)
    strips, notes = make_filmstrips(cards, lambda: open_media(stores, Storage(storage)))
    is_scored = any(card.score is not None for card in cards)
    scores = _scores(storage, found, data) if is_scored else None
    contents = ReportContents(
        title=run.path.resolve().name if run is not None else Path(found.predictions).parent.resolve().name,
        facts=_facts(task, found, files, cards),
        scores=scores,
        cards=cards,
        groups=_groups(cards),
        curves=[] if run is None else _curves(run.path / "metrics.jsonl"),
        filmstrips=strips,
        findings=(),
        commands=_commands(run, found, files),
        files={} if run is None else _texts(run.path),
        notes=[*_counted(scores), *notes],
    )
    page = render_page(contents)
    target = output or Path(found.predictions).with_name("report.html")
    atomic_write(target, page)
    return PageReport(
        output=str(target),
        questions=len(cards),
        wrong=sum(card.verdict == "wrong" for card in cards),
        score=None if scores is None else scores["score"],
        recordings_with_frames=len(strips),
        num_bytes=len(page),
        notes=tuple(contents.notes),
    )


def _find(source: Path | None, storage: Storage, data: Path | None) -> PredictionSource:
    """Predictions from what the user named: a run, a folder of predictions, or their file."""
    if source is None:
        return predictions_of_run(RunFolder.newest(storage), storage.root, data)
    if (source / "predictions.jsonl").is_file():
        return predictions_in_file(source / "predictions.jsonl", None)
    if source.is_file() and source.suffix == ".jsonl":
        return predictions_in_file(source, None)
    return predictions_of_run(RunFolder.open(source), storage.root, data)


def _stores(run: RunFolder | None, media: Sequence[Path]) -> tuple[str, ...]:
    """The named stores, else the run's if they are still there, else (none named) those of the storage."""
    if media or run is None:
        return tuple(map(str, media))
    named = run.config().data.media
    return named if all(Path(path).exists() for path in named) else ()


def _scores(storage: Path, found: PredictionSource, data: Path | None) -> dict[str, Any]:
    """As `clipbug evaluate` gives them."""
    run = None if found.run is None else Path(found.run)
    return dict(evaluate(storage=storage, run=run, predictions=Path(found.predictions), data=data).to_json())


def _facts(
    task: str, found: PredictionSource, files: Sequence[Path], cards: Sequence[Card]
) -> dict[str, str]:
    note = Path(found.predictions).with_name("inference.json")
    inferred = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    facts = {
        "task": task.replace("_", " "),
        "questions": f"{len(cards)} about {len({card.media_id for card in cards})} recordings or screens",
        "data": ", ".join(f"{file.parent.name}/{file.name}" for file in files),
        "checkpoint": inferred.get("step", ""),
        "clips": str(inferred.get("num_clips", "")),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    return {name: value for name, value in facts.items() if value}


def _groups(cards: Sequence[Card]) -> dict[str, list[Group]]:
    found = {
        "type of question": groups_of(cards, lambda card: card.answer_type),
        "app": groups_of(cards, lambda card: card.app),
        "right answer": groups_of(cards, lambda card: card.expected),
    }
    return {heading: groups for heading, groups in found.items() if len(groups) > 1}


def _curves(path: Path) -> list[Curve]:
    """Every number of metrics.jsonl that people look at, over the steps."""
    points: dict[str, list[tuple[float, float]]] = {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:  # half a line of a killed or running training
            break
        for name, value in line.items():
            if name not in ("step", "seconds") and value is not None:
                points.setdefault(name, []).append((line["step"], value))
    wanted = (name for name in points if not name.endswith(_CURVES_LEFT_OUT))
    return [Curve(_curve_name(name), tuple(points[name])) for name in wanted if len(points[name]) > 1]


def _curve_name(name: str) -> str:
    return name.replace("learning_rate/transformer", "learning rate").replace("/", ", ").replace("_", " ")


def _commands(run: RunFolder | None, found: PredictionSource, files: Sequence[Path]) -> list[str]:
    """What makes the same predictions and scores again."""
    data = " ".join(shlex.quote(str(file)) for file in files)
    if run is None:
        return [f"clipbug evaluate --predictions {shlex.quote(found.predictions)} --data {data}"]
    folder = shlex.quote(str(run.path))
    command = "pretrain" if run.config().task.name == "pretraining" else "finetune"
    return [
        f"clipbug {command} --config {shlex.quote(str(run.path / 'config.yaml'))} --output NEW_FOLDER",
        f"clipbug infer --run {folder} --data {data}",
        f"clipbug evaluate --run {folder} --data {data}",
        f"clipbug report {folder}",
    ]


def _texts(folder: Path) -> dict[str, str]:
    return {
        name: (folder / name).read_text(encoding="utf-8")
        for name in _FOLDED_FILES
        if (folder / name).exists()
    }


def _counted(scores: dict[str, Any] | None) -> list[str]:
    """What of the data did not count as usual."""
    if scores is None:
        return ["No question has a known answer, so nothing is scored."]
    explained = {
        "missing": "questions have no prediction; they count as wrong",
        "unmatched": "predictions belong to no question; they are left out",
        "unlabelled": "questions have no answer to score against",
    }
    notes = [f"{scores[key]} {text}." for key, text in explained.items() if scores.get(key)]
    if scores.get("oov_share"):
        share = 100 * scores["oov_share"]
        notes.append(f"{share:.1f} % of the questions have an answer that the vocabulary lacks.")
    return notes
