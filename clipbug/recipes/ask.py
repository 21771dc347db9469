"""`clipbug ask`: questions about any recording, GIF or image, without store and annotation file."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.errors import ClipbugError, DataError
from clipbug.recipes.evidence import find_evidence
from clipbug.recipes.explain import strongest_picture
from clipbug.recipes.loaded_model import EncodedVisual, LoadedModel, load_model
from clipbug.recipes.run_folder import RunFolder
from clipbug.recipes.storage import Storage
from clipbug.report.answer_view import Frames
from clipbug.report.contents import Card, Filmstrip
from clipbug.report.page import render_answers
from clipbug.report.pictures import jpeg_uri, make_filmstrip
from clipbug.runtime.files import atomic_write
from clipbug.tasks.base import Prediction

_log = logging.getLogger(__name__)

Answered = Callable[[Mapping[str, Any], Frames], None]
"""Called with each answer as soon as it is there: the object that --json prints, and the frames."""


@dataclass(frozen=True, slots=True)
class AskReport:
    """Every answer about every file.

    Attributes:
        answers: one object per file and question.
        bad: files that could not be read, each with its reason.
        report: the HTML page, if one was asked for.
        seconds: of loading the model, of reading and encoding the files, and of answering; imports and the
            page are in none.
    """

    model: str
    answers: tuple[Mapping[str, Any], ...]
    bad: tuple[Mapping[str, str], ...]
    report: str | None
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return {
            "model": self.model,
            "answers": list(self.answers),
            "bad": list(self.bad),
            "report": self.report,
            "seconds": dict(self.seconds),
        }


def ask(
    files: Sequence[Path],
    questions: Iterable[str],
    *,
    storage: Path,
    model: Path | None = None,
    num_clips: int | None = None,
    top_k: int = 5,
    page: Path | None = None,
    answered: Answered | None = None,
) -> AskReport:
    """Ask every question about every file; files are decoded and encoded once.

    Args:
        files: images, GIFs and recordings.
        questions: read one by one, so that they may be typed while the model waits.
        storage: storage root, for the newest run.
        model: run or model folder; default: the newest run.
        num_clips: clips of a recording; default: as the run validated.
        top_k: answers to list.
        page: also write an HTML page with frames and evidence.
        answered: told each answer as it comes.

    Raises:
        ClipbugError: no run; no file can be read; the model answers no free questions.
    """
    folder = model if model is not None else RunFolder.newest(Storage(storage)).path
    seconds = dict.fromkeys(("loading", "encoding", "answering"), 0.0)
    with _added(seconds, "loading"):
        loaded = load_model(folder)
    with _added(seconds, "encoding"):
        visuals, bad = _encode_all(loaded, files, num_clips)
    answers: list[Mapping[str, Any]] = []
    cards: list[Card] = []
    for question in questions:
        for path, visual in visuals.items():
            with _added(seconds, "answering"):
                [prediction] = loaded.answer(visual, [question], top_k=top_k)
            answer = answer_json(path, visual, prediction)
            answers.append(answer)
            if answered is not None:
                answered(answer, frames_of(visual))
            if page is not None:
                cards.append(card_with_evidence(loaded, path, visual, prediction))
    if page is not None:
        strips = {str(path): filmstrip_of(visual) for path, visual in visuals.items()}
        atomic_write(page, render_answers(cards, strips, title="Answers", model=str(folder)))
    return AskReport(str(folder), tuple(answers), tuple(bad), None if page is None else str(page), seconds)


@contextmanager
def _added(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Add what the block takes to a phase."""
    started = time.perf_counter()
    yield
    seconds[phase] += time.perf_counter() - started


def answer_json(path: Path, visual: EncodedVisual, prediction: Prediction) -> dict[str, Any]:
    """One answer as --json prints it: as in predictions.jsonl, with the file instead of ids."""
    row = prediction.to_json()
    kept = {key: row[key] for key in ("question", "answer", "probability", "top", "clips")}
    return {"file": str(path), "kind": visual.kind, **kept, "notes": list(visual.notes)}


def frames_of(visual: EncodedVisual) -> Frames:
    """(N, T, H, W, 3) what the model saw, without padding."""
    height, width = visual.frame_size
    frames: Frames = visual.frames[..., :height, :width].permute(0, 1, 3, 4, 2).contiguous().numpy()
    return frames


def filmstrip_of(visual: EncodedVisual) -> Filmstrip:
    """All frames side by side, for a page."""
    frames = frames_of(visual)
    seconds = tuple(map(float, visual.frame_seconds.flatten()))
    return make_filmstrip(frames.reshape(-1, *frames.shape[2:]), seconds)


def card_of(path: Path, prediction: Prediction, evidence: str | None = None) -> Card:
    """The card of one answer."""
    return Card(
        record_id=prediction.record_id,
        media_id=str(path),
        question=prediction.question,
        answer=prediction.answer,
        probability=prediction.probability,
        top=prediction.top,
        votes=prediction.clips,
        labels={},
        score=None,
        answer_type="",
        app=None,
        evidence=evidence,
    )


def card_with_evidence(model: LoadedModel, path: Path, visual: EncodedVisual, prediction: Prediction) -> Card:
    """The card of one answer with a picture of what it rests on."""
    evidence = find_evidence(model, visual, prediction.question)
    picture = strongest_picture(evidence, visual)
    return card_of(path, prediction, evidence=jpeg_uri(picture))


def _encode_all(
    model: LoadedModel, files: Sequence[Path], num_clips: int | None
) -> tuple[dict[Path, EncodedVisual], list[dict[str, str]]]:
    """What can be read, and what cannot. Raises the only or first error if nothing can be."""
    visuals: dict[Path, EncodedVisual] = {}
    errors: list[tuple[Path, ClipbugError]] = []
    for path in files:
        try:
            visuals[path] = model.encode(path, num_clips=num_clips)
            for note in visuals[path].notes:
                _log.warning("%s: %s", path, note)
        except DataError as error:
            errors.append((path, error))
    if errors and not visuals:
        raise errors[0][1]
    return visuals, [
        {"file": str(path), "message": error.message, "hint": error.hint} for path, error in errors
    ]
