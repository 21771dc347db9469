"""Choose the trained model for a question about a file, by its training media and what the file holds."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clipbug.config.task import find_task, task_for_questions
from clipbug.data.media import MediaKind
from clipbug.errors import CheckpointError, ClipbugError
from clipbug.workspace.run_folder import RunFolder
from clipbug.workspace.storage import Storage

logger = logging.getLogger(__name__)

_RUNS_SHOWN = 8
_PLURAL: Mapping[MediaKind, str] = {"image": "pictures", "video": "recordings"}
_SINGULAR: Mapping[MediaKind, str] = {"image": "a picture", "video": "a recording"}
_ASKS_FOR_A_NUMBER = re.compile(r"\bhow (?:many|often|much)\b|\bnumber of\b|\bcount\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelFit:
    """A run or model folder, and what its model can answer.

    Attributes:
        kinds: media that it answers free-form questions about; empty if it answers no such questions.
    """

    folder: RunFolder
    task: str
    kinds: tuple[MediaKind, ...]

    @classmethod
    def of(cls, folder: RunFolder) -> "ModelFit":
        """Read what the model of a folder can answer."""
        return cls(folder, folder.config().task.name, folder.media_kinds())

    def fits(self, kind: MediaKind, question: str | None) -> bool:
        """Return whether it can answer the question; a count does not answer "what is ..."."""
        can_answer = (
            not find_task(self.task).answers_are_numbers
            or question is None
            or _ASKS_FOR_A_NUMBER.search(question)
        )
        return kind in self.kinds and bool(can_answer)

    def refuse_other_task(self) -> None:
        """Raise CheckpointError unless the model answers free-form questions."""
        if not self.kinds:
            raise CheckpointError(
                f"{self.folder.path} is a model of task {self.task}, which does not support free-form"
                " questions",
                "Choose a run of clipbug finetune --task video-qa, vqa or count. Questions with options and"
                " rankings are for clipbug infer.",
            )

    def refuse_other_medium(self, kind: MediaKind, file: str) -> None:
        """Raise CheckpointError unless the model was trained on such media."""
        if kind not in self.kinds:
            raise CheckpointError(
                f"{self.folder.path} answers questions about {_listed(self.kinds)} (task {self.task}),"
                f" and {file} is {_SINGULAR[kind]}",
                f"Name a model for {_PLURAL[kind]}, or leave --model out to use the newest run that fits."
                f" To train one: clipbug finetune --task {task_for_questions(kind).option_name()}",
            )

    @property
    def purpose(self) -> str:
        """Describe it, such as "video_qa on recordings"."""
        return f"{self.task} on {_listed(self.kinds)}" if self.kinds else self.task


class ModelChoice:
    """Chooses the model for each file of one call, without loading it.

    Args:
        storage: where the newest fitting run is found if no model is named.
        named: run or model folder.

    Raises:
        CheckpointError: the named folder holds no model, or one that does not answer free-form questions.
    """

    def __init__(self, storage: Storage, named: Path | None) -> None:
        self._storage = storage
        self._announced: set[Path] = set()
        self._named = None if named is None else ModelFit.of(RunFolder.open(named))
        if self._named is not None:
            self._named.folder.weights("best")
            self._named.refuse_other_task()

    def folder(self, kind: MediaKind, question: str | None = None, *, file: str = "the file") -> RunFolder:
        """Return the folder of the model to use.

        Args:
            kind: what the file holds.
            question: None: not known yet.
            file: for messages.

        Raises:
            CheckpointError: the named model is for other files, or no run fits.
        """
        if self._named is not None:
            self._named.refuse_other_medium(kind, file)
            return self._named.folder
        fitting = (run for run in self._runs if run.fits(kind, question))
        chosen = next(fitting, None) or self._shipped_model(kind, question, file)
        if chosen.folder.path not in self._announced:
            self._announced.add(chosen.folder.path)
            logger.info("using %s, the newest run that fits %s", chosen.folder.path, _SINGULAR[kind])
        return chosen.folder

    def kinds(self) -> tuple[MediaKind, ...]:
        """Return the kinds of media that there is a model for."""
        candidates = self._runs if self._named is None else [self._named]
        return tuple(kind for kind in _PLURAL if any(kind in run.kinds for run in candidates))

    @cached_property
    def _runs(self) -> list[ModelFit]:
        """Return runs with weights, newest first; log those that cannot be read."""
        found = []
        for path in self._storage.runs():
            try:
                folder = RunFolder.open(path)
                folder.weights("best")
                found.append(ModelFit.of(folder))
            except ClipbugError as error:
                logger.warning("%s is skipped: %s", path, error.message)
        return found

    def _shipped_model(self, kind: MediaKind, question: str | None, file: str) -> ModelFit:
        """Raise CheckpointError: no run fits. A model that ships with clipbug would be returned here."""
        wanted = f"about {_PLURAL[kind]}, such as {file}"
        if any(run.fits(kind, None) for run in self._runs):
            wanted = f"such as {question!r} {wanted}"
        there = "; ".join(f"{run.folder.path.name}: {run.purpose}" for run in self._runs[:_RUNS_SHOWN])
        task = task_for_questions(kind).option_name()
        raise CheckpointError(
            f"no run under {self._storage.root} answers questions {wanted}"
            + (f" (runs there: {there})" if there else ""),
            f"Train one: clipbug finetune --task {task} --train FILE.jsonl --media STORE;"
            " or name a run or model folder: --model DIR",
        )


def _listed(kinds: Sequence[MediaKind]) -> str:
    return " and ".join(_PLURAL[kind] for kind in kinds)
