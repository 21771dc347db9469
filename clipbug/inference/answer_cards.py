"""One answer as JSON, as a card of a page, and with a picture of its evidence."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.inference.loaded_model import EncodedMedia, LoadedModel
from clipbug.inference.occlusion import Evidence, find_evidence
from clipbug.report.contents import Card, Filmstrip
from clipbug.report.overlay import spotlight
from clipbug.report.pictures import jpeg_uri, make_filmstrip
from clipbug.tasks.base import Prediction

Frames = NDArray[np.uint8]


def answer_json(path: Path, visual: EncodedMedia, prediction: Prediction) -> dict[str, Any]:
    """Return an answer as --json prints it: as in predictions.jsonl, with the file instead of ids."""
    row = prediction.to_json()
    kept = {key: row[key] for key in ("question", "answer", "probability", "top", "clips")}
    return {"file": str(path), "kind": visual.kind, **kept, "notes": list(visual.notes)}


def frames_of(visual: EncodedMedia) -> Frames:
    """Return the frames that the model saw, (N, T, H, W, 3), without padding."""
    height, width = visual.frame_size
    frames: Frames = visual.frames[..., :height, :width].permute(0, 1, 3, 4, 2).contiguous().numpy()
    return frames


def filmstrip_of(visual: EncodedMedia) -> Filmstrip:
    """Return all frames next to each other, for a page."""
    frames = frames_of(visual)
    seconds = tuple(map(float, visual.frame_seconds.flatten()))
    return make_filmstrip(frames.reshape(-1, *frames.shape[2:]), seconds)


def card_of(path: Path, prediction: Prediction, evidence: str | None = None) -> Card:
    """Return the card of one answer."""
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


def card_with_evidence(model: LoadedModel, path: Path, visual: EncodedMedia, prediction: Prediction) -> Card:
    """Return the card of one answer with a picture of its evidence."""
    evidence = find_evidence(model, visual, prediction.question)
    picture = strongest_picture(evidence, visual)
    return card_of(path, prediction, evidence=jpeg_uri(picture))


def evidence_pictures(
    evidence: Evidence, encoded: EncodedMedia, clips: Sequence[int] | None = None
) -> list[NDArray[np.uint8]]:
    """Return the middle frame of each clip, or of the given ones, bright where the evidence is; one scale."""
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


def strongest_picture(evidence: Evidence, encoded: EncodedMedia) -> NDArray[np.uint8]:
    """Return the evidence picture of the strongest clip."""
    return evidence_pictures(evidence, encoded, [strongest_clip(evidence)])[0]


def strongest_clip(evidence: Evidence) -> int:
    """Return the clip whose removal lowers the answer most; in a tie, the one with the strongest cell."""
    strongest_cells = evidence.cell_drop.max(axis=(1, 2))
    return max(
        range(len(strongest_cells)), key=lambda clip: (evidence.clip_drop[clip], strongest_cells[clip])
    )
