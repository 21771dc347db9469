"""A run folder holds all that inference needs.

    config.yaml             resolved config
    model.json              sizes of the model, so that no pretrained weights are needed to rebuild it
    tokenizer/              tokenizer files
    answers.json            answer vocabulary (QA tasks)
    training_answers.json   what baselines know of the training answers (QA tasks)
    data.json               hashes of annotation files and of all images and recordings that they use
    environment.json        each start: command, versions, git revision, machine, accepted changes
    metrics.jsonl, tensorboard/
    checkpoints/step-000500/model.safetensors ...   and links `best`, `last`
    failures/step-000123/   weights before a step that was not finite, and its media
    summary.json            written when training is complete

A model folder has `model.safetensors` beside config.yaml instead of checkpoints/.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.config import RunConfig
from clipbug.config.loading import differing_values, dump_config, load_config
from clipbug.config.model import ModelConfig
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.media import MediaKind
from clipbug.engine.checkpoint import checkpoint_steps
from clipbug.errors import CheckpointError
from clipbug.metrics.baselines import TrainingAnswers
from clipbug.runtime.files import atomic_write, follow_link
from clipbug.runtime.json_reading import read_note
from clipbug.runtime.mistaken_files import refuse_mistaken
from clipbug.workspace.storage import Storage

WITHOUT_EFFECT = {
    "data.num_workers",
    "train.background_saves",
    "train.keep_last",
    "train.max_skipped_steps",
    "train.num_examples",
    "train.trackers",
}
"""Settings that a run may go on with in another value: weights and metrics stay the same."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths and contents of a run or model folder."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run or model folder. Raises CheckpointError if it is none."""
        if path.is_file():
            raise CheckpointError(
                f"{path} is a file: not a run or model folder",
                "name the folder of config.yaml; weights of others: clipbug weights import FILE --output DIR",
            )
        if not (path / "config.yaml").is_file():
            what = "has no config.yaml" if path.is_dir() else "does not exist"
            raise CheckpointError(
                f"{path} {what}: not a run or model folder", "name a folder made by clipbug finetune"
            )
        refuse_mistaken(path / "config.yaml")
        return cls(path)

    @classmethod
    def newest(cls, storage: Storage) -> "RunFolder":
        """The newest run under the storage. Raises CheckpointError if there is none."""
        runs = storage.runs()
        if not runs:
            raise CheckpointError(
                f"there is no run under {storage.root}/finetune",
                "make one: clipbug finetune --task vqa (or video-qa); or name a folder with --run",
            )
        return cls(runs[0])

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def failures(self) -> Path:
        """Return the folder of the steps that were not finite."""
        return self.path / "failures"

    @property
    def tokenizer(self) -> Path:
        """Folder of the tokenizer."""
        return self.path / "tokenizer"

    @property
    def summary(self) -> Path:
        """Exists when training is complete."""
        return self.path / "summary.json"

    def config(self) -> RunConfig:
        """The resolved config of the run."""
        return load_config(self.path / "config.yaml", overrides=(), flags={}, task=None)

    def self_contained_config(self) -> RunConfig:
        """The config with what is needed to rebuild the model for the run's own weights."""
        path = self.path / "model.json"
        config = self.config()
        refuse_mistaken(path)
        try:
            model = ModelConfig.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
            raise CheckpointError(
                f"{path} holds no sizes of a model: {reason}", "copy the whole run or model folder again"
            ) from error
        return config.model_copy(update={"model": model})

    def answers(self) -> AnswerVocabulary | None:
        """The answer vocabulary, or None for tasks without one."""
        path = self.path / "answers.json"
        return AnswerVocabulary.load(path) if path.exists() else None

    def media_kinds(self) -> tuple[MediaKind, ...]:
        """What the model was trained to answer free questions about; none if it answers no such questions.

        By the media of its training; of a folder that does not tell (imported weights), by its task.
        """
        usual = self.config().task.question_medium
        if usual is None:
            return ()
        trained = self.data_fingerprint().get("kinds") or ()
        return tuple(kind for kind in ("image", "video") if kind in (trained or (usual,)))

    def training_answers(self) -> TrainingAnswers | None:
        """Statistics of the training answers, or None."""
        path = self.path / "training_answers.json"
        return TrainingAnswers.from_json(read_note(path)) if path.exists() else None

    def weights(self, step: str) -> Path:
        """The weights of `step`: a number, "best" or "last".

        Raises:
            CheckpointError: no such checkpoint; lists the steps there are and the command that makes it.
        """
        single = self.path / "model.safetensors"
        if single.exists() and not self.checkpoints.exists():
            if step in ("best", "last"):
                return single
            raise CheckpointError(f"{self.path} is a model folder without steps", "leave --step out")
        return self._checkpoint(step) / "model.safetensors"

    def _checkpoint(self, step: str) -> Path:
        steps = checkpoint_steps(self.checkpoints)
        if not steps:
            raise CheckpointError(
                f"{self.path} has no complete checkpoint yet", "let the training go on, then ask again"
            )
        if step in ("best", "last"):
            return follow_link(self.checkpoints / step) or self.checkpoints / f"step-{steps[-1]:06d}"
        if step.isdecimal() and int(step) in steps:
            return self.checkpoints / f"step-{int(step):06d}"
        raise CheckpointError(
            f"{self.path} has no checkpoint of step {step}",
            f"steps there: {', '.join(map(str, steps))} (or --step best, --step last)\n"
            f"{self._how_to_make(step)}",
        )

    def _how_to_make(self, step: str) -> str:
        if not step.isdecimal():
            return "--step takes a number, best or last"
        return f"to make it: clipbug {self.config().task.training_command()} --max-steps {int(step)}"

    def data_fingerprint(self) -> dict[str, Any]:
        """What data.json holds; empty for a folder without it."""
        return self._read_json("data.json")

    def write_start(
        self,
        config: RunConfig,
        *,
        model: ModelConfig,
        answers: AnswerVocabulary | None,
        statistics: TrainingAnswers | None,
    ) -> None:
        """Write what is known before the first step. config.yaml comes last: it marks a usable folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        if answers is not None:
            answers.save(self.path / "answers.json")
        if statistics is not None:
            self._write_json("training_answers.json", statistics.to_json())
        atomic_write(self.path / "model.json", model.model_dump_json(indent=1))
        atomic_write(self.path / "config.yaml", dump_config(config))

    def note_start(self, config: RunConfig, *, data: Mapping[str, Any], start: Mapping[str, Any]) -> None:
        """Write the settings and data that hold from now on, and add to the list of starts."""
        starts = self._read_json("environment.json").get("starts", [])
        self._write_json("environment.json", {"starts": [*starts, start]})
        self._write_json("data.json", data)
        atomic_write(self.path / "config.yaml", dump_config(config))

    def _read_json(self, name: str) -> dict[str, Any]:
        return read_note(self.path / name)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        atomic_write(self.path / name, json.dumps(content, ensure_ascii=False, indent=1))


def config_difference(stored: RunConfig, given: RunConfig) -> list[str]:
    """Lines "a.b: stored -> given" for every setting that differs and may change the result."""
    pairs = differing_values(stored, given)
    return [f"{key}: {old} -> {new}" for key, (old, new) in pairs.items() if key not in WITHOUT_EFFECT]
