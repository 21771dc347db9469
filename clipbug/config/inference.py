"""What a user can choose about one inference."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipbug.config.data import DataFormat

InferencePrecision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """The choices of one call of `infer`, `ask` or `explain`.

    Attributes:
        run: run or model folder; None: the newest that fits.
        step: a checkpoint's number, "best" or "last".
        data: annotation file (answers not needed); None: the test file next to the run's training file, else
            its validation files.
        media: stores; empty: those of the run, else all under the storage.
        data_format: family of the annotation file; None: as the run read its own.
        aliases: JSON file with ids in the stores for ids in the file; None: as the run.
        allow_missing: leave out rows whose media is in no store, and list them.
        num_clips: clips per recording; None: as the run validated.
        batch_size: media items per batch; None: as the run validated.
        precision: None: the run's.
        overrides: config values `a.b=c` that replace those of the run.
    """

    run: Path | None = None
    step: str = "best"
    data: Path | None = None
    media: tuple[Path, ...] = ()
    data_format: DataFormat | None = None
    aliases: Path | None = None
    allow_missing: bool = False
    num_clips: int | None = None
    batch_size: int | None = None
    precision: InferencePrecision | None = None
    overrides: tuple[str, ...] = ()
