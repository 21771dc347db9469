"""What processes have worked out so far, on disk: lines that each appends to a part of its own.

    parts/settings.json      what the lines depend on; work with other settings starts anew
    parts/part-00000.jsonl   of each process

All machines see that folder. Killed at any time, complete lines are there.
"""

import base64
import json
import logging
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.data.batch import UnreadVisual
from clipbug.errors import ClipbugError
from clipbug.runtime.distributed import Distributed, barrier
from clipbug.runtime.files import atomic_write, remove_folder
from clipbug.runtime.line_file import LineFile, LinePlace, complete_lines

logger = logging.getLogger(__name__)

_SHARED_HINT = "All machines must see one folder of predictions: name it with --output."


class PartsFolder:
    """The parts of one piece of work.

    Args:
        folder: of its results; the parts lie in `parts/` beside them.
        settings: all that the lines depend on.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.path = folder / "parts"
        self._settings = json.dumps(settings, indent=1, sort_keys=True)

    def open(self, processes: Distributed, look: Callable[[], None]) -> LineFile:
        """Find what earlier processes have done, and open this process's part. All processes must call it.

        Args:
            look: reads the parts; called when nobody writes yet.

        Raises:
            ClipbugError: others are writing there, or another machine has another folder of this name.
        """
        settings = self.path / "settings.json"
        if processes.is_main:
            self._refuse_if_written()
            if self.path.exists() and not (settings.exists() and settings.read_text() == self._settings):
                logger.info("starting anew: %s is of an inference with other settings", self.path)
                self.remove()
            atomic_write(settings, self._settings)
        barrier(processes)
        if not settings.exists():
            raise ClipbugError(
                f"process {processes.rank} does not see {settings}, which process 0 has written", _SHARED_HINT
            )
        look()
        barrier(processes)  # nobody writes before everybody has looked
        return LineFile(self.path / f"part-{processes.rank:05d}.jsonl")

    def lines(self) -> Iterator[tuple[LinePlace, dict[str, Any]]]:
        """All complete lines, and where they stand."""
        for path in self._paths():
            for place, line in complete_lines(path):
                yield place, json.loads(line)

    def check_complete(self, wanted: Sequence[str], done: Container[str], *, what: str) -> None:
        """Pass if all that was wanted is done.

        Args:
            what: names the wanted things in the error.

        Raises:
            ClipbugError: some are not, in the parts that this machine sees.
        """
        left = [name for name in wanted if name not in done]
        if left:
            raise ClipbugError(
                f"{len(left)} of {len(wanted)} {what} are not in {self.path}, the first: {left[0]!r}",
                f"{_SHARED_HINT} The same command goes on with what is left.",
            )

    def remove(self) -> None:
        """When all stands elsewhere."""
        remove_folder(self.path)

    def _refuse_if_written(self) -> None:
        """The processes of a torchrun that was killed live on, and finish their work."""
        for path in self._paths():
            LineFile(path).close()

    def _paths(self) -> list[Path]:
        return sorted(self.path.glob("part-*.jsonl"))


def unread_line(visual: UnreadVisual) -> str:
    """The line of a visual that could not be read, under "unread"."""
    ids = [record.record_id for record in visual.records]
    unread = {"media_id": visual.media_id, "reason": visual.reason, "hint": visual.hint, "ids": ids}
    return json.dumps({"unread": unread}, ensure_ascii=False)


def packed_array(values: NDArray[np.float32]) -> dict[str, Any]:
    """An array as part of a line, bit for bit."""
    return {
        "shape": values.shape,
        "data": base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii"),
    }


def unpacked_array(content: Mapping[str, Any]) -> NDArray[np.float32]:
    """What was packed."""
    values = np.frombuffer(base64.b64decode(content["data"]), "<f4")
    return values.reshape(content["shape"]).astype(np.float32)
