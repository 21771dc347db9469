"""An inference on disk while it is under way. Killed at any time it goes on; no answer is lost or doubled.

The folder of predictions.jsonl meanwhile holds

    parts/settings.json      what the answers depend on; another inference starts anew
    parts/part-00000.jsonl   of each process: a line for each answer and each unread visual

predictions.jsonl appears complete, in the order of the rows, and parts/ goes. All machines see that folder.
"""

import base64
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.data.batch import UnreadVisual
from clipbug.data.records import Record
from clipbug.errors import ClipbugError, DataError
from clipbug.runtime.distributed import Distributed, barrier
from clipbug.runtime.files import atomic_write, remove_folder
from clipbug.runtime.line_file import LineFile, LinePlace, complete_lines
from clipbug.tasks.base import Prediction

logger = logging.getLogger(__name__)

_SHARED = "All machines must see one folder of predictions: name it with --output."


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of a part: a prediction as predictions.jsonl holds it, and its logits where they are kept."""

    prediction: dict[str, Any]
    pooled_logits: NDArray[np.float32] | None
    clip_logits: NDArray[np.float32] | None


class InferenceJob:
    """The parts of one inference.

    Args:
        folder: of predictions.jsonl.
        settings: all that the answers depend on.
        keeps_logits: store them beside the answers.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, keeps_logits: bool) -> None:
        self._parts = folder / "parts"
        self._settings = json.dumps({**settings, "logits": keeps_logits}, indent=1, sort_keys=True)
        self._keeps_logits = keeps_logits
        self._places: dict[str, LinePlace] = {}
        self._unread: dict[str, dict[str, Any]] = {}

    @property
    def done_ids(self) -> set[str]:
        """Records that need no answer any more: they have one, or their visual cannot be read."""
        unread = {record_id for visual in self._unread.values() for record_id in visual["ids"]}
        return self._places.keys() | unread

    @property
    def num_answers(self) -> int:
        """Answers in the parts."""
        return len(self._places)

    @property
    def unread(self) -> list[dict[str, Any]]:
        """Visuals that could not be read: media_id, reason, hint, and the ids of their rows."""
        return list(self._unread.values())

    def open(self, processes: Distributed) -> LineFile:
        """Find what an earlier process has done, and open this process's part.

        Raises:
            ClipbugError: an inference is writing there, or another machine has another folder of this name.
        """
        settings = self._parts / "settings.json"
        if processes.is_main:
            self._refuse_if_written()
            if self._parts.exists() and not (settings.exists() and settings.read_text() == self._settings):
                logger.info("starting anew: %s is of an inference with other settings", self._parts)
                remove_folder(self._parts)
            atomic_write(settings, self._settings)
        barrier(processes)
        if not settings.exists():
            raise ClipbugError(
                f"process {processes.rank} does not see {settings}, which process 0 has written", _SHARED
            )
        self.look()
        barrier(processes)  # nobody writes before everybody has looked
        return LineFile(self._parts / f"part-{processes.rank:05d}.jsonl")

    def _refuse_if_written(self) -> None:
        """The processes of a torchrun that was killed live on, and finish their work."""
        for path in self._paths():
            LineFile(path).close()

    def _paths(self) -> list[Path]:
        return sorted(self._parts.glob("part-*.jsonl"))

    def look(self) -> None:
        """Read what stands in the parts."""
        for path in self._paths():
            for place, line in complete_lines(path):
                content = json.loads(line)
                if "unread" in content:
                    self._unread[content["unread"]["media_id"]] = content["unread"]
                else:
                    self._places[content["prediction"]["id"]] = place

    def check_complete(self, records: Sequence[Record]) -> None:
        """Pass if each row has an answer or its visual cannot be read.

        Raises:
            ClipbugError: some have neither, in the parts that this machine sees.
        """
        done = self.done_ids
        left = [record.record_id for record in records if record.record_id not in done]
        if left:
            raise ClipbugError(
                f"{len(left)} of {len(records)} answers are not in {self._parts}, the first: {left[0]!r}",
                f"{_SHARED} The same command answers what is left.",
            )

    def lines(self, done: Sequence[Prediction] | UnreadVisual) -> list[str]:
        """What to append for a batch."""
        if isinstance(done, UnreadVisual):
            ids = [record.record_id for record in done.records]
            unread = {"media_id": done.media_id, "reason": done.reason, "hint": done.hint, "ids": ids}
            return [json.dumps({"unread": unread}, ensure_ascii=False)]
        return [self._line(prediction) for prediction in done]

    def _line(self, prediction: Prediction) -> str:
        content: dict[str, Any] = {"prediction": prediction.to_json()}
        if self._keeps_logits:
            content["pooled_logits"] = _packed(prediction.pooled_logits)
            content["clip_logits"] = _packed(prediction.clip_logits)
        return json.dumps(content, ensure_ascii=False)

    def answers(self, records: Sequence[Record]) -> Iterator[Answer]:
        """The answers in the order of the rows, read one by one; rows of unread visuals have none.

        Raises:
            DataError: rows share an id, so that it is not known whose answer is whose.
        """
        ids = [record.record_id for record in records]
        if len(set(ids)) < len(ids):
            twice = next(record_id for record_id in ids if ids.count(record_id) > 1)
            raise DataError(f"two rows have the id {twice!r}", "Give each row its own id.")
        for record_id in ids:
            if record_id in self._places:
                content = json.loads(self._places[record_id].read())
                yield Answer(
                    content["prediction"],
                    _unpacked(content.get("pooled_logits")),
                    _unpacked(content.get("clip_logits")),
                )

    def remove_parts(self) -> None:
        """When all stands elsewhere."""
        remove_folder(self._parts)


def _packed(values: NDArray[np.float32]) -> dict[str, Any]:
    return {
        "shape": values.shape,
        "data": base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii"),
    }


def _unpacked(content: Mapping[str, Any] | None) -> NDArray[np.float32] | None:
    if content is None:
        return None
    values = np.frombuffer(base64.b64decode(content["data"]), "<f4")
    return values.reshape(content["shape"]).astype(np.float32)
