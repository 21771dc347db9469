"""`clipbug report`: write an HTML report on the answers of a run, with the frames that the model saw."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbug.builders.records import asked_task, open_media, read_records
from clipbug.config.task import find_task
from clipbug.data.annotations.duplicates import is_duplicates_file
from clipbug.data.media import MediaSource
from clipbug.errors import ClipbugError, DataError
from clipbug.evaluation.duplicates import DUPLICATES
from clipbug.evaluation.predictions_file import read_predictions
from clipbug.recipes.data_check import check_data
from clipbug.recipes.evaluate import EvaluationReport, evaluate, predictions_of_run
from clipbug.report import facts
from clipbug.report.cards import make_cards
from clipbug.report.contents import Card, DataFinding, Group, Ranking, ReportContents
from clipbug.report.frames import cards_frames, make_filmstrips, rankings_frames
from clipbug.report.groups import groups_of
from clipbug.report.page import render_page
from clipbug.report.ranking_cards import duplicate_rankings, text_rankings
from clipbug.runtime.files import atomic_write
from clipbug.workspace.predictions import PredictionSource, predictions_in_file, task_of_file
from clipbug.workspace.run_folder import RunFolder
from clipbug.workspace.storage import Storage


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """The written report and its main numbers."""

    output: str
    questions: int
    wrong: int
    score: float | None
    recordings_with_frames: int
    num_bytes: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def make_report(
    *,
    storage: Path,
    source: Path | None = None,
    output: Path | None = None,
    data: Path | None = None,
    media: Sequence[Path] = (),
    num_evidence: int = 8,
) -> WrittenReport:
    """Write the HTML report of a run or a predictions file.

    Args:
        storage: storage root.
        source: run directory, folder with a predictions.jsonl, or the file itself; default: the newest run.
        output: path of the report; default: report.html next to the predictions.
        data: annotation file; default: the one that was inferred on.
        media: stores; default: those of the run, else all in the storage.
        num_evidence: number of worst answers to show evidence for.

    Returns:
        The path of the report and its main numbers.

    Raises:
        DataError: the annotation file of the predictions is unknown.
        ClipbugError: the folder, predictions or annotation file does not exist.
    """
    found = _find(source, Storage(storage), data)
    files = (data,) if data is not None else tuple(map(Path, found.data))
    if not files:
        raise DataError(f"the annotation file of {found.predictions} is unknown", "give it with --data")
    run = None if found.run is None else RunFolder.open(Path(found.run))
    subject = _Subject(found, files, run, _task_of(run, files), Storage(storage), _stores(run, media))
    contents = _contents(subject, data, num_evidence)
    return _write(contents, output or Path(found.predictions).with_name("report.html"))


@dataclass(frozen=True, slots=True)
class _Subject:
    """The subject of a report.

    Attributes:
        found: the predictions.
        files: the annotation files.
        run: the run that made the predictions, or None if unknown.
        task: of the questions; None if the files say which recordings are duplicates.
        stores: stores of the media; if empty, all in the storage.
    """

    found: PredictionSource
    files: tuple[Path, ...]
    run: RunFolder | None
    task: str | None
    storage: Storage
    stores: tuple[str, ...]

    def open_media(self) -> MediaSource:
        return open_media(self.stores, self.storage)


def _contents(subject: _Subject, data: Path | None, num_evidence: int) -> ReportContents:
    found, files, run = subject.found, subject.files, subject.run
    cards, rankings = _answers(subject)
    frames = rankings_frames(rankings) if rankings else cards_frames(cards)
    strips, notes = make_filmstrips(frames, subject.open_media)
    is_scored = rankings or any(card.score is not None for card in cards)
    evaluation = _evaluation(subject, data) if is_scored else None
    scores = None if evaluation is None else evaluation.scores
    return ReportContents(
        title=run.path.resolve().name if run is not None else Path(found.predictions).parent.resolve().name,
        facts=facts.head_facts(
            subject.task or DUPLICATES, found, files, len(cards) + len(rankings), len(frames)
        ),
        scores=scores,
        cards=_with_evidence(cards, subject, num_evidence if strips else 0),
        rankings=rankings,
        groups=_groups(cards),
        curves=[] if run is None else facts.training_curves(run.path / "metrics.jsonl"),
        filmstrips=strips,
        findings=[] if subject.task is None else data_findings(run, files, subject.stores),
        commands=facts.reproduction_commands(run, found, files),
        files=facts.collapsed_files(run, None if evaluation is None else evaluation.to_json()),
        notes=[*facts.scoring_notes(scores), *notes],
    )


def _write(contents: ReportContents, target: Path) -> WrittenReport:
    page = render_page(contents)
    atomic_write(target, page)
    return WrittenReport(
        output=str(target),
        questions=len(contents.cards) + len(contents.rankings),
        wrong=sum(card.verdict == "wrong" for card in contents.cards)
        + sum(ranking.rank != 1 for ranking in contents.rankings),
        score=None if contents.scores is None else contents.scores.score,
        recordings_with_frames=len(contents.filmstrips),
        num_bytes=len(page),
        notes=tuple(contents.notes),
    )


def _answers(subject: _Subject) -> tuple[list[Card], list[Ranking]]:
    """Return cards for questions, or rankings for a search."""
    rows, task = read_predictions(Path(subject.found.predictions)), subject.task
    if task is None:
        return [], duplicate_rankings(rows, subject.files[0])
    config = None if subject.run is None else subject.run.config()
    read_as = "auto" if config is None or config.task.name != task else config.data.format
    records = read_records(subject.files, task, data_format=read_as)
    if find_task(task).ranks_recordings:
        return [], text_rankings(rows, records)
    return make_cards(rows, records), []


def _with_evidence(cards: Sequence[Card], subject: _Subject, count: int) -> Sequence[Card]:
    if subject.run is None or not cards or not count:
        return cards
    from clipbug.inference.evidence_pictures import with_evidence  # loads the model, so only on demand

    predictions = Path(subject.found.predictions)
    return with_evidence(cards, subject.run, predictions, subject.open_media(), count=count)


def _task_of(run: RunFolder | None, files: Sequence[Path]) -> str | None:
    if is_duplicates_file(files[0]):
        return None
    return asked_task(task_of_file(files[0]) if run is None else run.config().task.name, files)


def _find(source: Path | None, storage: Storage, data: Path | None) -> PredictionSource:
    """Return the predictions of a run directory, a folder of predictions, or a predictions file."""
    if source is None:
        return predictions_of_run(RunFolder.newest(storage), storage.root, data)
    if (source / "predictions.jsonl").is_file():
        return predictions_in_file(source / "predictions.jsonl", None)
    if source.is_file() and source.suffix == ".jsonl":
        return predictions_in_file(source, None)
    return predictions_of_run(RunFolder.open(source), storage.root, data)


def _stores(run: RunFolder | None, media: Sequence[Path]) -> tuple[str, ...]:
    """Return the given stores, else those of the run if they still exist, else none (all in the storage)."""
    if media or run is None:
        return tuple(map(str, media))
    named = run.config().data.media
    return named if all(Path(path).exists() for path in named) else ()


def _evaluation(subject: _Subject, data: Path | None) -> EvaluationReport:
    """Return the scores as `clipbug evaluate` computes them."""
    found = subject.found
    run = None if found.run is None else Path(found.run)
    return evaluate(storage=subject.storage.root, run=run, predictions=Path(found.predictions), data=data)


def _groups(cards: Sequence[Card]) -> dict[str, list[Group]]:
    found = {
        "question type": groups_of(cards, lambda card: card.answer_type),
        "app": groups_of(cards, lambda card: card.app),
        "correct answer": groups_of(cards, lambda card: card.expected),
    }
    return {heading: groups for heading, groups in found.items() if len(groups) > 1}


_NUM_ITEMS = 4
_HINT = "all cases: clipbug data check"


def data_findings(run: RunFolder | None, files: Sequence[Path], media: Sequence[str]) -> list[DataFinding]:
    """Check the annotation files, also against the training files of the run.

    Args:
        run: the run that made the predictions, or None if unknown.
        files: the annotation files.
        media: stores; if empty, media is not checked.

    Returns:
        The findings of `clipbug data check`.
    """
    train, val = ((), ()) if run is None else _training_files(run, files)
    try:
        result = check_data((), train=train, val=val, test=list(files), media=[Path(path) for path in media])
    except ClipbugError as error:
        return [DataFinding("warning", f"The data could not be checked: {error.message}", error.hint)]
    return [
        DataFinding(finding.severity, finding.message, _cases(finding.items)) for finding in result.findings
    ]


def _training_files(run: RunFolder, answered: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the training and validation files of the run that still exist, without the answered files."""
    config = run.config()
    excluded = {path.resolve() for path in answered}

    def existing(names: Sequence[str]) -> list[Path]:
        return [path for path in map(Path, names) if path.exists() and path.resolve() not in excluded]

    return existing(config.data.train), existing(config.data.val)


def _cases(items: Sequence[str]) -> str:
    more = f" ... and {len(items) - _NUM_ITEMS} more ({_HINT})" if len(items) > _NUM_ITEMS else ""
    return "; ".join(items[:_NUM_ITEMS]) + more
