"""An inference on disk while it is under way. Killed at any time it goes on; no answer is lost or doubled.

A line of its parts (`parts`) is an answer or an unread visual. predictions.jsonl appears complete, in the
order of the rows, and the parts go.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.data.batch import UnreadVisual
from clipbug.data.records import Record
from clipbug.errors import DataError
from clipbug.recipes.parts import PartsFolder, packed_array, unpacked_array, unread_line
from clipbug.runtime.distributed import Distributed
from clipbug.runtime.json_text import json_text
from clipbug.runtime.line_file import LineFile, LinePlace
from clipbug.tasks.base import Prediction


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
        self._parts = PartsFolder(folder, {**settings, "logits": keeps_logits})
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
            ClipbugError: as `PartsFolder.open`.
        """
        return self._parts.open(processes, self.look)

    def look(self) -> None:
        """Read what stands in the parts."""
        for place, content in self._parts.lines():
            if "unread" in content:
                self._unread[content["unread"]["media_id"]] = content["unread"]
            else:
                self._places[content["prediction"]["id"]] = place

    def check_complete(self, records: Sequence[Record]) -> None:
        """Pass if each row has an answer or its visual cannot be read.

        Raises:
            ClipbugError: some have neither, in the parts that this machine sees.
        """
        self._parts.check_complete([record.record_id for record in records], self.done_ids, what="answers")

    def lines(self, done: Sequence[Prediction] | UnreadVisual) -> list[str]:
        """What to append for a batch."""
        if isinstance(done, UnreadVisual):
            return [unread_line(done)]
        return [self._line(prediction) for prediction in done]

    def _line(self, prediction: Prediction) -> str:
        content: dict[str, Any] = {"prediction": prediction.to_json()}
        if self._keeps_logits:
            content["pooled_logits"] = packed_array(prediction.pooled_logits)
            content["clip_logits"] = packed_array(prediction.clip_logits)
        return json_text(content)

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
        self._parts.remove()


def _unpacked(content: Mapping[str, Any] | None) -> NDArray[np.float32] | None:
    return None if content is None else unpacked_array(content)
