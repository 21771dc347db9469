"""`clipbug report`: one HTML file about a run's answers, with the frames that the model saw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbug.data.duplicates import is_duplicates_file
from clipbug.data.media import MediaSource
from clipbug.errors import DataError
from clipbug.recipes.evaluate import evaluate
from clipbug.recipes.prediction_source import (
    PredictionSource,
    predictions_in_file,
    predictions_of_run,
    read_predictions,
    task_of_file,
)
from clipbug.recipes.report_parts import facts
from clipbug.recipes.report_parts.cards import make_cards
from clipbug.recipes.report_parts.findings import data_findings
from clipbug.recipes.report_parts.frames import cards_frames, make_filmstrips, rankings_frames
from clipbug.recipes.report_parts.rankings import duplicate_rankings, text_rankings
from clipbug.recipes.rows import asked_task, open_media, read_records
from clipbug.recipes.run_folder import RunFolder
from clipbug.recipes.storage import Storage
from clipbug.report.contents import Card, Group, Ranking, ReportContents
from clipbug.report.groups import groups_of
from clipbug.report.page import render_page
from clipbug.runtime.files import atomic_write


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
    num_evidence: int = 8,
) -> PageReport:
    """Write the page.

    Args:
        storage: storage root.
        source: run folder, folder of a predictions.jsonl or the file itself; default: the newest run.
        output: the page; default: report.html beside the predictions.
        data: annotation file that was answered; default: as noted beside the predictions.
        media: stores; default: those of the run, else all under the storage.
        num_evidence: the worst answers that get a picture of what they rest on.

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
    task = asked_task(run.config().task.name if run is not None else _task_of(files[0]), files)
    stores = _stores(run, media)

    def open_source() -> MediaSource:
        return open_media(stores, Storage(storage))

    cards, rankings = _answers(task, found, files, run)
    frames = rankings_frames(rankings) if rankings else cards_frames(cards)
    strips, notes = make_filmstrips(frames, open_source)
    is_scored = rankings or any(card.score is not None for card in cards)
    scores = _scores(storage, found, data) if is_scored else None
    contents = ReportContents(
        title=run.path.resolve().name if run is not None else Path(found.predictions).parent.resolve().name,
        facts=facts.head_facts(task, found, files, len(cards) + len(rankings), len(frames)),
        scores=scores,
        cards=_with_evidence(cards, run, found, open_source, num_evidence if strips else 0),
        rankings=rankings,
        groups=_groups(cards),
        curves=[] if run is None else facts.training_curves(run.path / "metrics.jsonl"),
        filmstrips=strips,
        findings=[] if task == "duplicates" else data_findings(run, files, stores),
        commands=facts.commands_again(run, found, files),
        files=facts.folded_files(run, scores),
        notes=[*facts.counted(scores), *notes],
    )
    return _write(contents, output or Path(found.predictions).with_name("report.html"))


def _write(contents: ReportContents, target: Path) -> PageReport:
    page = render_page(contents)
    atomic_write(target, page)
    return PageReport(
        output=str(target),
        questions=len(contents.cards) + len(contents.rankings),
        wrong=sum(card.verdict == "wrong" for card in contents.cards)
        + sum(ranking.rank != 1 for ranking in contents.rankings),
        score=None if contents.scores is None else contents.scores["score"],
        recordings_with_frames=len(contents.filmstrips),
        num_bytes=len(page),
        notes=tuple(contents.notes),
    )


def _answers(
    task: str, found: PredictionSource, files: Sequence[Path], run: RunFolder | None
) -> tuple[list[Card], list[Ranking]]:
    """Questions with their answers; or, of a search, queries with what was found."""
    rows = read_predictions(Path(found.predictions))
    if task == "duplicates":
        return [], duplicate_rankings(rows, files[0])
    read_as = "auto" if run is None or run.config().task.name != task else run.config().data.format
    records = read_records(files, task, data_format=read_as)
    return ([], text_rankings(rows, records)) if task == "retrieval" else (make_cards(rows, records), [])


def _with_evidence(
    cards: Sequence[Card],
    run: RunFolder | None,
    found: PredictionSource,
    open_source: Callable[[], MediaSource],
    count: int,
) -> Sequence[Card]:
    if run is None or not cards or not count:
        return cards
    from clipbug.recipes.report_parts.evidence import with_evidence  # loads the model: only if it is wanted

    return with_evidence(cards, run, Path(found.predictions), open_source(), count=count)


def _task_of(file: Path) -> str:
    return "duplicates" if is_duplicates_file(file) else task_of_file(file)


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


def _scores(storage: Path, found: PredictionSource, data: Path | None) -> Mapping[str, Any]:
    """As `clipbug evaluate` gives them."""
    run = None if found.run is None else Path(found.run)
    return dict(evaluate(storage=storage, run=run, predictions=Path(found.predictions), data=data).to_json())


def _groups(cards: Sequence[Card]) -> dict[str, list[Group]]:
    found = {
        "type of question": groups_of(cards, lambda card: card.answer_type),
        "app": groups_of(cards, lambda card: card.app),
        "right answer": groups_of(cards, lambda card: card.expected),
    }
    return {heading: groups for heading, groups in found.items() if len(groups) > 1}
