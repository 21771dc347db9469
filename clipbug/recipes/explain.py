"""`clipbug explain`: why this answer, as numbers and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.data.store.in_memory import kind_of_file
from clipbug.errors import ConfigError
from clipbug.inference.loaded_model import EncodedVisual, LoadedModel, load_model
from clipbug.inference.model_fit import ModelChoice
from clipbug.inference.occlusion import NUM_MASKS, Evidence, find_evidence
from clipbug.report.overlay import evidence_sheet, spotlight
from clipbug.runtime.files import atomic_write, safe_name
from clipbug.runtime.progress import ProgressBar
from clipbug.workspace.storage import Storage


@dataclass(frozen=True, slots=True)
class Explanation:
    """One explained answer; importances are falls of the answer's log-probability.

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
        """The object that --json prints."""
        return asdict(self)


def explain(
    file: Path,
    question: str,
    *,
    storage: Path,
    model: Path | None = None,
    num_clips: int | None = None,
    answer: str | None = None,
    output: Path | None = None,
) -> Explanation:
    """Find the evidence for an answer about one file, and draw it.

    Args:
        file: image, GIF or recording.
        question: about it.
        storage: storage root, for the newest runs.
        model: run or model folder; default: the newest run that fits the file and the question.
        num_clips: default: as the run validated.
        answer: the answer to explain; default: the model's own.
        output: the PNG; default: FILE.evidence.png in the current folder.

    Raises:
        ClipbugError: no such file, run or answer; it cannot be decoded; the model answers no free questions.
    """
    kind = kind_of_file(file)
    folder = ModelChoice(Storage(storage), model).folder(kind, question, file=str(file)).path
    loaded = load_model(folder)
    encoded = loaded.encode(file, num_clips=num_clips)
    try:
        with ProgressBar("evidence", NUM_MASKS + 1, unit="masks") as bar:
            evidence = find_evidence(loaded, encoded, question, answer=answer, progress=bar.update)
    except ValueError as error:
        known = ", ".join(loaded.text.answers.answers[:20]) if loaded.text.answers else ""
        raise ConfigError(str(error), f"some that it knows: {known}") from error
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


def evidence_pictures(
    evidence: Evidence, encoded: EncodedVisual, clips: Sequence[int] | None = None
) -> list[NDArray[np.uint8]]:
    """The middle frame of each clip (or of the named ones), lit where the answer rests; one scale for all."""
    chosen = list(range(len(evidence.cell_drop))) if clips is None else list(clips)
    height, width = encoded.frame_size
    middle = encoded.frames.shape[1] // 2
    frames = encoded.frames[chosen, middle].permute(0, 2, 3, 1).numpy()
    drops = evidence.cell_drop[chosen]
    padded = (frames.shape[1], frames.shape[2])
    return [
        spotlight(frame[:height, :width], own, padded_size=padded, largest=float(drops.max()))
        for frame, own in zip(frames, drops, strict=True)
    ]


def strongest_picture(evidence: Evidence, encoded: EncodedVisual) -> NDArray[np.uint8]:
    """Of the clip that carries the answer."""
    return evidence_pictures(evidence, encoded, [strongest_clip(evidence)])[0]


def strongest_clip(evidence: Evidence) -> int:
    """The clip without which the answer loses most; of a tie, the one with the strongest cell."""
    strongest_cells = evidence.cell_drop.max(axis=(1, 2))
    return max(
        range(len(strongest_cells)), key=lambda clip: (evidence.clip_drop[clip], strongest_cells[clip])
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


def _sheet(evidence: Evidence, encoded: EncodedVisual, model: LoadedModel) -> bytes:
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
    """A change of a log-probability as a change of the probability's size."""
    return f"x {np.exp(log_change):.2f}"
