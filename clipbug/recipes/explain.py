"""`clipbug explain`: the evidence for an answer, as numbers and as a picture."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clipbug.config.inference import InferenceSettings
from clipbug.data.store.in_memory import kind_of_file
from clipbug.errors import ConfigError
from clipbug.inference.answer_cards import evidence_pictures, strongest_clip
from clipbug.inference.loaded_model import EncodedMedia, LoadedModel, load_model
from clipbug.inference.model_fit import ModelChoice
from clipbug.inference.occlusion import NUM_MASKS, Evidence, find_evidence
from clipbug.report.overlay import evidence_sheet
from clipbug.runtime.files import atomic_write, safe_name
from clipbug.runtime.progress import ProgressBar
from clipbug.workspace.storage import Storage


@dataclass(frozen=True, slots=True)
class Explanation:
    """One explained answer; an importance is a decrease of the log-probability of the answer.

    Attributes:
        without_picture: probability of the answer when the whole picture is covered.
        clips: times, own answer and probability, importance of each clip.
        grid: rows and columns of cells, and the importance of each cell of each clip.
        picture: the PNG.
    """

    file: str
    model: str
    question: str
    answer: str
    probability: float
    without_picture: float
    clips: tuple[Mapping[str, Any], ...]
    grid: Mapping[str, Any]
    picture: str

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def explain(
    file: Path,
    question: str,
    settings: InferenceSettings,
    *,
    storage: Path,
    answer: str | None = None,
    output: Path | None = None,
) -> Explanation:
    """Find the evidence for an answer about one file, and draw it.

    Args:
        file: image, GIF or recording.
        question: about it.
        settings: run, step, number of clips and overrides; default run: the newest that fits the file and
            the question.
        storage: storage root, for the newest runs.
        answer: the answer to explain; default: the model's own.
        output: the PNG; default: FILE.evidence.png in the current folder.

    Raises:
        ConfigError: the model has no such answer.
        ClipbugError: no such file or run; the file cannot be decoded; the model does not answer free-form
            questions.
    """
    kind = kind_of_file(file)
    folder = ModelChoice(Storage(storage), settings.run).folder(kind, question, file=str(file)).path
    loaded = load_model(folder, step=settings.step, overrides=settings.overrides)
    encoded = loaded.encode(file, num_clips=settings.num_clips)
    try:
        with ProgressBar("evidence", NUM_MASKS + 1, unit="masks") as bar:
            evidence = find_evidence(loaded, encoded, question, answer=answer, progress=bar.update)
    except ValueError as error:
        known = ", ".join(loaded.text.answers.answers[:20]) if loaded.text.answers else ""
        raise ConfigError(str(error), f"Some answers of the model: {known}") from error
    target = output or Path(safe_name(f"{file.stem}.evidence.png"))
    atomic_write(target, _sheet(evidence, encoded, loaded))
    return Explanation(
        file=str(file),
        model=str(folder),
        question=question,
        answer=evidence.answer,
        probability=evidence.probability,
        without_picture=evidence.without_picture,
        clips=tuple(_clip(evidence, number) for number in range(len(evidence.clip_drop))),
        grid={
            "rows": evidence.cell_drop.shape[1],
            "columns": evidence.cell_drop.shape[2],
            "importance": np.round(evidence.cell_drop, 4).tolist(),
        },
        picture=str(target),
    )


def _clip(evidence: Evidence, number: int) -> dict[str, Any]:
    clip = evidence.prediction.clips[number]
    return {
        "start_seconds": clip.start_seconds,
        "end_seconds": clip.end_seconds,
        "frame_seconds": list(clip.frame_seconds),
        "answer": clip.answer,
        "probability": clip.probability,
        "importance": float(evidence.clip_drop[number]),
    }


def _sheet(evidence: Evidence, encoded: EncodedMedia, model: LoadedModel) -> bytes:
    captions = [
        f"{clip.start_seconds:.1f} to {clip.end_seconds:.1f} s\n{clip.answer} {100 * clip.probability:.0f} %"
        + (f"\nwithout it {_signed(-drop)}" if len(evidence.clip_drop) > 1 else "")
        for clip, drop in zip(evidence.prediction.clips, evidence.clip_drop, strict=True)
    ]
    subtitle = (
        f"{evidence.answer}: {100 * evidence.probability:.0f} %;"
        f" without the picture {100 * evidence.without_picture:.0f} %. Bright: covering it lowers the answer."
    )
    return evidence_sheet(
        evidence.prediction.question,
        subtitle,
        evidence_pictures(evidence, encoded),
        captions,
        strongest_clip(evidence),
    )


def _signed(log_change: float) -> str:
    """Format a change of a log-probability as a factor of the probability."""
    return f"x {np.exp(log_change):.2f}"
