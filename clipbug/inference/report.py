"""What `clipbug infer` reports, of answers and of rankings."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clipbug.data.annotations import MediaMatch
from clipbug.inference.inputs import InferenceInputs


@dataclass(frozen=True, slots=True)
class InferenceReport:
    """The result of an inference, without the answers or rankings themselves.

    Attributes:
        run, step: whose weights computed it.
        data: annotation files.
        media: stores that were read from.
        predictions: file with one line per row.
        scores: of rankings: npz file with the score of every query with every recording.
        questions: of answers: how many were answered.
        queries: of rankings: how many rankings there are.
        recordings: media items that were read.
        num_clips: clips of a recording.
        missing: ids of the rows that are left out because their media is in no store.
        missing_media: the ids of that media.
        renamed: id in the file -> id in the stores, where they differ.
        seconds: that the call took.
        precision: of answers: what was computed in.
        resumed: results that an earlier process, which was stopped, had computed.
        frames: of answers: frames of all clips, without resumed ones.
        frames_encoded: of answers: how many of `frames` passed the backbone; the others repeat one of them.
        failures: media that could not be read: media_id, reason, hint, and for answers the ids of its rows.
        overrides: config values that replaced those of the run, if any.
    """

    run: str
    step: str
    data: tuple[str, ...]
    media: tuple[str, ...]
    predictions: str
    scores: str | None = None
    questions: int | None = None
    queries: int | None = None
    recordings: int = 0
    num_clips: int = 0
    missing: tuple[str, ...] = ()
    missing_media: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    precision: str | None = None
    resumed: int = 0
    frames: int | None = None
    frames_encoded: int | None = None
    failures: tuple[dict[str, Any], ...] = ()
    overrides: tuple[str, ...] | None = None

    @classmethod
    def of_inputs(cls, inputs: InferenceInputs, rows: MediaMatch, folder: Path) -> "InferenceReport":
        """Return a report of what is known before anything is computed.

        Args:
            inputs: of the inference.
            rows: of its files, matched with the stores.
            folder: to write predictions.jsonl to.
        """
        return cls(
            run=str(inputs.folder.path.resolve()),
            step=inputs.weights.parent.resolve().name,
            data=tuple(str(Path(file).resolve()) for file in inputs.files),
            media=inputs.stores,
            predictions=str(folder / "predictions.jsonl"),
            num_clips=inputs.config.eval.num_clips,
            missing=tuple(record.record_id for record in rows.missing),
            missing_media=tuple(dict.fromkeys(record.media_id for record in rows.missing)),
            renamed=dict(rows.renamed),
            overrides=inputs.settings.overrides or None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints: fields that do not apply are absent."""
        return {name: value for name, value in asdict(self).items() if value is not None}
