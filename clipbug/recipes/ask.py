"""`clipbug ask`: answer questions about recordings, GIFs and images, without store and annotation file."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.config.inference import InferenceSettings
from clipbug.data.media import MediaKind
from clipbug.data.store.in_memory import kind_of_file
from clipbug.errors import CheckpointError, ClipbugError, DataError
from clipbug.inference.answer_cards import (
    Frames,
    answer_json,
    card_with_evidence,
    filmstrip_of,
    frames_of,
)
from clipbug.inference.loaded_model import EncodedMedia, LoadedModel, load_model
from clipbug.inference.model_fit import ModelChoice
from clipbug.report.contents import Card
from clipbug.report.page import render_answers
from clipbug.runtime.files import atomic_write
from clipbug.workspace.run_folder import RunFolder
from clipbug.workspace.storage import Storage

_log = logging.getLogger(__name__)

Answered = Callable[[Mapping[str, Any], Frames], None]
"""Called with each answer as soon as it is known: the object that --json prints, and the frames."""


@dataclass(frozen=True, slots=True)
class AskReport:
    """All answers about all files.

    Attributes:
        models: folders of the models that were used, that of the first file first.
        answers: one object per file and question.
        bad: files that could not be read or that no model fits, with the reasons.
        report: the HTML page, if one was asked for.
        seconds: of loading models, of reading and encoding files, and of answering; imports and the page are
            not included.
    """

    models: tuple[str, ...]
    answers: tuple[Mapping[str, Any], ...]
    bad: tuple[Mapping[str, str], ...]
    report: str | None
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return {
            "model": next(iter(self.models), None),
            "models": list(self.models),
            "answers": list(self.answers),
            "bad": list(self.bad),
            "report": self.report,
            "seconds": dict(self.seconds),
        }


def ask(
    files: Sequence[Path],
    questions: Iterable[str],
    settings: InferenceSettings,
    *,
    storage: Path,
    top_k: int = 5,
    page: Path | None = None,
    answered: Answered | None = None,
) -> AskReport:
    """Ask every question about every file; files are decoded and encoded once.

    Args:
        files: images, GIFs and recordings.
        questions: read one by one, so that they can be typed interactively.
        settings: run, step, number of clips and overrides; default run: for each file the newest that fits it
            and the question.
        storage: storage root, for the newest runs.
        top_k: number of answers to list.
        page: also write an HTML page with frames and evidence.
        answered: called with each answer.

    Raises:
        ClipbugError: no file can be read, or no run fits any of them.
    """
    seconds = dict.fromkeys(("loading", "encoding", "answering"), 0.0)
    session = _Session(settings, seconds, questions if isinstance(questions, Sequence) else ())
    session.check(files, Storage(storage))
    answers: list[Mapping[str, Any]] = []
    cards: list[Card] = []
    for question in questions:
        for path, folder, loaded, visual in session.encoded(question):
            with _added(seconds, "answering"):
                [prediction] = loaded.answer(visual, [question], top_k=top_k)
            answer = {**answer_json(path, visual, prediction), "model": folder}
            answers.append(answer)
            if answered is not None:
                answered(answer, frames_of(visual))
            if page is not None:
                cards.append(card_with_evidence(loaded, path, visual, prediction))
    if page is not None:
        strips = {str(path): filmstrip_of(visual) for path, visual in session.visuals.items()}
        atomic_write(page, render_answers(cards, strips, title="Answers", model=", ".join(session.models)))
    return AskReport(
        session.models, tuple(answers), session.bad, None if page is None else str(page), seconds
    )


class _Session:
    """The files of one call and the models that fit them; models are loaded and files encoded once.

    Args:
        settings: of the call.
        seconds: phases to add to.
        questions: that are known before the first answer.
    """

    def __init__(
        self, settings: InferenceSettings, seconds: dict[str, float], questions: Sequence[str]
    ) -> None:
        self._settings, self._seconds, self._questions = settings, seconds, questions
        self._kinds: dict[Path, MediaKind] = {}
        self._errors: dict[Path, ClipbugError] = {}
        self._loaded: dict[Path, LoadedModel] = {}
        self._encoded: dict[tuple[Path, Path], EncodedMedia] = {}

    def check(self, files: Sequence[Path], storage: Storage) -> None:
        """Check what the files hold and which models fit, before any model is loaded.

        Raises:
            ClipbugError: no file can be read, or none has a model; the error of the first.
        """
        for path in files:
            try:
                self._kinds[path] = kind_of_file(path)
            except DataError as error:
                self._errors[path] = error
        self._refuse_if_none_is_left()
        self._choice = ModelChoice(storage, self._settings.run)
        for path in list(self._kinds):
            self._folder(path, None)
        self._refuse_if_none_is_left()

    @property
    def models(self) -> tuple[str, ...]:
        """Return the folders of the models that were used, or would be for the next question."""
        folders = list(self._loaded) or [self._choice.folder(kind).path for kind in self._kinds.values()]
        return tuple(dict.fromkeys(map(str, folders)))

    @property
    def visuals(self) -> dict[Path, EncodedMedia]:
        """Return the files that were read, as one of their models saw them."""
        return {path: visual for (_, path), visual in self._encoded.items()}

    @property
    def bad(self) -> tuple[Mapping[str, str], ...]:
        """Return the files without an answer, with the reasons."""
        return tuple(
            {"file": str(path), "message": error.message, "hint": error.hint}
            for path, error in self._errors.items()
        )

    def encoded(self, question: str) -> Iterator[tuple[Path, str, LoadedModel, EncodedMedia]]:
        """Yield each file that can be answered: path, folder of the model, model, and encoded media.

        Raises:
            ClipbugError: there is no such file.
        """
        for path in list(self._kinds):
            folder = self._folder(path, question)
            if folder is None:
                continue
            model = self._model(folder)
            try:
                visual = self._visual(folder.path, model, path)
            except DataError as error:
                self._give_up(path, error)
            else:
                yield path, str(folder.path), model, visual
        self._refuse_if_none_is_left()

    def _folder(self, path: Path, question: str | None) -> RunFolder | None:
        try:
            return self._choice.folder(self._kinds[path], question, file=str(path))
        except CheckpointError as error:
            self._give_up(path, error)
            return None

    def _model(self, folder: RunFolder) -> LoadedModel:
        if folder.path not in self._loaded:
            with _added(self._seconds, "loading"):
                self._loaded[folder.path] = load_model(
                    folder.path, step=self._settings.step, overrides=self._settings.overrides
                )
            self._loaded[folder.path].warn_of_cut(self._questions)
        return self._loaded[folder.path]

    def _visual(self, folder: Path, model: LoadedModel, path: Path) -> EncodedMedia:
        if (folder, path) not in self._encoded:
            with _added(self._seconds, "encoding"):
                self._encoded[folder, path] = model.encode(path, num_clips=self._settings.num_clips)
            for note in self._encoded[folder, path].notes:
                _log.warning("%s: %s", path, note)
        return self._encoded[folder, path]

    def _give_up(self, path: Path, error: ClipbugError) -> None:
        self._errors[path] = error
        del self._kinds[path]

    def _refuse_if_none_is_left(self) -> None:
        if self._errors and not self._kinds:
            raise next(iter(self._errors.values()))


@contextmanager
def _added(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Add the time of the block to a phase."""
    started = time.perf_counter()
    yield
    seconds[phase] += time.perf_counter() - started
