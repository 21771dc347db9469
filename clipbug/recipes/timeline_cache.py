"""Timelines of loose files, kept under the storage by the content of the file."""

import json
import logging
from pathlib import Path

from clipbug.errors import ClipbugError
from clipbug.perception.timeline import READER_VERSION, Timeline
from clipbug.runtime.files import atomic_write
from clipbug.runtime.logging import LOGGER_NAME

_MAX_BYTES = 200_000_000
_logger = logging.getLogger(LOGGER_NAME)


class TimelineCache:
    """A bounded folder of timelines; those that were used least recently go first.

    Args:
        storage: storage root; the folder is made when the first timeline is kept.
        max_bytes: of all timelines together.
    """

    def __init__(self, storage: Path, *, max_bytes: int = _MAX_BYTES) -> None:
        self.folder = storage / "cache" / "timelines"
        self._max_bytes = max_bytes

    def get(self, sha256: str) -> Timeline | None:
        """Return the timeline of a file that the present reader made; None if there is none."""
        path = self._path(sha256)
        try:
            timeline = Timeline.from_json(json.loads(path.read_text(encoding="utf-8")))
            path.touch()
        except (OSError, ValueError, ClipbugError):  # missing, damaged, or of another version: read again
            return None
        return timeline

    def put(self, sha256: str, timeline: Timeline) -> None:
        """Keep a timeline; a folder that cannot be written costs the time to read the file again."""
        try:
            atomic_write(self._path(sha256), json.dumps(timeline.to_json(), ensure_ascii=False))
            self._keep_within_bounds()
        except (OSError, ClipbugError) as error:
            _logger.warning("the timeline is not kept: %s", error)

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.v{READER_VERSION}.json"

    def _keep_within_bounds(self) -> None:
        files = []
        for path in self.folder.glob("*.json"):
            try:
                about = path.stat()
            except OSError:  # another process has removed it
                continue
            files.append((about.st_mtime_ns, about.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size
