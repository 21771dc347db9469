"""A search on disk while it is under way: killed at any time it goes on, and no recording is encoded twice.

A line of its parts (`parts`) holds what was computed of one recording.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipbug.data.batch import Batch, UnreadVisual
from clipbug.data.records import Record
from clipbug.engine.predictor import NOT_FINITE, NOT_FINITE_HINT
from clipbug.recipes.batches import BatchBuilder
from clipbug.recipes.parts import PartsFolder, packed_array, unpacked_array, unread_line
from clipbug.runtime.distributed import Distributed, barrier
from clipbug.runtime.line_file import LineFile

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordingArrays:
    """What was computed of one recording: arrays by name, and the ids of rows where they are of rows."""

    media_id: str
    arrays: Mapping[str, NDArray[np.float32]]
    rows: tuple[str, ...] = ()


class SearchJob:
    """The parts of one search.

    Args:
        folder: of its results.
        settings: all that they depend on.

    Attributes:
        resumed: recordings that an earlier process has done.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._parts = PartsFolder(folder, settings)
        self._done: set[str] = set()
        self.resumed = 0

    def open(self, processes: Distributed) -> LineFile:
        """Find what is done already, and open this process's part.

        Raises:
            ClipbugError: as `PartsFolder.open`.
        """
        part = self._parts.open(processes, self._look)
        self.resumed = len(self._done)
        return part

    def left(self, records: Sequence[Record]) -> list[Record]:
        """The rows of recordings that are not done."""
        if self._done:
            logger.info("going on: %d recordings are done", len(self._done))
        return [record for record in records if record.media_id not in self._done]

    def lines(self, done: Sequence[RecordingArrays] | UnreadVisual) -> list[str]:
        """What to append for a batch."""
        if isinstance(done, UnreadVisual):
            return [unread_line(done)]
        return [
            json.dumps(
                {
                    "media_id": one.media_id,
                    "rows": one.rows,
                    "arrays": {name: packed_array(values) for name, values in one.arrays.items()},
                },
                ensure_ascii=False,
            )
            for one in done
        ]

    def _look(self) -> None:
        for _, content in self._parts.lines():
            self._done.add(content.get("unread", content)["media_id"])

    def results(
        self, records: Sequence[Record]
    ) -> tuple[dict[str, RecordingArrays], tuple[UnreadVisual, ...]]:
        """What was computed, by recording, and what could not be read.

        Raises:
            ClipbugError: the parts that this machine sees lack some of the rows' recordings.
        """
        found: dict[str, RecordingArrays] = {}
        unread: dict[str, UnreadVisual] = {}
        for _, content in self._parts.lines():
            if "unread" in content:
                one = content["unread"]
                unread[one["media_id"]] = UnreadVisual(one["media_id"], (), one["reason"], one["hint"])
            else:
                arrays = {name: unpacked_array(values) for name, values in content["arrays"].items()}
                found[content["media_id"]] = RecordingArrays(
                    content["media_id"], arrays, tuple(content["rows"])
                )
        wanted = dict.fromkeys(record.media_id for record in records)
        self._parts.check_complete(list(wanted), found.keys() | unread.keys(), what="recordings")
        return found, tuple(unread[media_id] for media_id in sorted(unread))

    def remove_parts(self) -> None:
        """When all stands elsewhere."""
        self._parts.remove()


def _with_finite_scores(one: RecordingArrays) -> RecordingArrays | UnreadVisual:
    """What was computed of a recording, or that it has no scores: NaN would order rankings at random."""
    if all(np.isfinite(values).all() for values in one.arrays.values() if values is not None):
        return one
    return UnreadVisual(one.media_id, (), f"{one.media_id}: {NOT_FINITE}", NOT_FINITE_HINT)


def compute_what_is_left(
    job: SearchJob,
    builder: BatchBuilder,
    records: Sequence[Record],
    compute: Callable[[Iterable[Batch | UnreadVisual]], Iterator[list[T] | UnreadVisual]],
    to_arrays: Callable[[T], RecordingArrays],
) -> tuple[dict[str, RecordingArrays], tuple[UnreadVisual, ...]]:
    """Append what this process computes of its share of the recordings; then the results of all.

    Args:
        compute: of batches, one by one: something of each recording.
        to_arrays: what is kept of that.

    Raises:
        ClipbugError: the folder cannot be used.
    """
    with job.open(builder.processes) as part:
        for done in compute(builder.inference(job.left(records))):
            kept = done if isinstance(done, UnreadVisual) else list(map(to_arrays, done))
            for one in [kept] if isinstance(kept, UnreadVisual) else map(_with_finite_scores, kept):
                part.append(job.lines(one if isinstance(one, UnreadVisual) else [one]))
    barrier(builder.processes)
    return job.results(records)
