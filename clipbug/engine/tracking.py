"""Log scalars of a run to metrics.jsonl, TensorBoard and other trackers."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from clipbug.data.loading.batch import Batch
from clipbug.data.records import QuestionOrChoice, Record
from clipbug.errors import ClipbugError
from clipbug.runtime.files import atomic_write
from clipbug.tasks.base import Prediction

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


_MAX_SIDE = 224
_GAP = 4


@dataclass(frozen=True, slots=True)
class Example:
    """One record, its prediction and the frames that the model saw.

    Shape:
        picture: (3, h, w) uint8, all frames of all clips in a row.
    """

    record: Record
    prediction: Prediction
    picture: Tensor

    def expected(self) -> str:
        """Return the correct answer, or "?" if the record has none."""
        labels = self.record.labels if isinstance(self.record, QuestionOrChoice) else {}
        return self.prediction.expected or max(labels, key=labels.__getitem__, default="?")


def examples_of(batch: Batch, predictions: Sequence[Prediction], number: int) -> list[Example]:
    """Return the first `number` records of a batch as examples."""
    visuals = batch.visual_of_records()
    return [
        Example(batch.records[row], predictions[row], _strip(batch.frames[visuals[row]]))
        for row in range(min(max(number, 0), len(predictions)))
    ]


def _strip(frames: Tensor) -> Tensor:
    """Arrange downscaled frames in a row, with a gap between them. Shape: (N, T, 3, H, W) -> (3, h, w)."""
    pictures = frames.flatten(0, 1).float()
    scale = min(1.0, _MAX_SIDE / max(pictures.shape[-2:]))
    small = functional.interpolate(pictures, scale_factor=scale, mode="area") if scale < 1 else pictures
    padded = functional.pad(small, (0, _GAP), value=255.0)
    return torch.cat(list(padded), dim=-1)[..., :-_GAP].clamp(0, 255).to(torch.uint8).cpu()


class ScalarSink(Protocol):
    """A further destination for scalars."""

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Log the scalars of a step."""
        ...

    def close(self) -> None:
        """Finish logging."""
        ...


class Tracker:
    """Writes `metrics.jsonl` and `tensorboard/` in a run directory, starting with the first log.

    Args:
        folder: Run directory.
        sinks: Further destinations of scalars.
    """

    def __init__(self, folder: Path, sinks: Sequence[ScalarSink] = ()) -> None:
        self._folder = folder
        self._path = folder / "metrics.jsonl"
        self._sinks = tuple(sinks)
        self._started = time.monotonic()
        self._purge_step: int | None = None
        self._writer: SummaryWriter | None = None

    def resume(self, step: int) -> None:
        """Continue after `step`: remove later lines, which belong to lost work that will be repeated."""
        if not self._path.exists():
            return
        lines = self._lines_until(step)
        atomic_write(self._path, "".join(json.dumps(line) + "\n" for line in lines))
        self._started = time.monotonic() - (lines[-1]["seconds"] if lines else 0.0)
        self._purge_step = step + 1

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append a line `{"step", "seconds", name: value ...}`; a value that is not finite becomes null.

        Raises:
            ClipbugError: The file is not writable.
        """
        values = {name: value if math.isfinite(value) else None for name, value in scalars.items()}
        line = {"step": step, "seconds": round(time.monotonic() - self._started, 3), **values}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            writer = self._open_writer()
        except OSError as error:
            raise ClipbugError(f"cannot write {self._path}: {error.strerror}", "Free some space.") from error
        for name, value in scalars.items():
            writer.add_scalar(name, value, step)
        for sink in self._sinks:
            sink.log(step, scalars)

    def show(self, step: int, examples: Sequence[Example]) -> None:
        """Log validation examples to TensorBoard, as a table and with their frames."""
        if not examples:
            return
        writer = self._open_writer()
        writer.add_text("valid/answers", _table(examples), step)
        for number, example in enumerate(examples):
            text = f"{example.record.text} -> {example.prediction.answer} (correct: {example.expected()})"
            writer.add_image(f"valid/frames/{number}", example.picture.numpy(), step)
            writer.add_text(f"valid/frames/{number}", text, step)

    def close(self) -> None:
        """Close all sinks and flush TensorBoard's writer."""
        for sink in self._sinks:
            sink.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open_writer(self) -> "SummaryWriter":
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and only training needs it

            self._writer = SummaryWriter(str(self._folder / "tensorboard"), purge_step=self._purge_step)
        return self._writer

    def _lines_until(self, step: int) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = []
        for text in self._path.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:  # an incomplete line from a killed process
                break
            if line["step"] > step:
                break
            kept.append(line)
        return kept


def _table(examples: Sequence[Example]) -> str:
    """Format examples as a Markdown table, which TensorBoard renders."""
    rows = (
        (
            example.record.media_id,
            example.record.text,
            example.expected(),
            example.prediction.answer,
            f"{example.prediction.probability:.2f}",
        )
        for example in examples
    )
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(
        ["media | question | correct | answer | probability", "--- | --- | --- | --- | ---", *lines]
    )
