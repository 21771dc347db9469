"""Read groups of recordings that show the same bug, {app: {bug: [recording, ...]}}, as in the Tango data."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.annotations.media_ids import composed
from clipbug.errors import DataError
from clipbug.runtime.json_reading import JsonError, decode_text, parse_whole, read_json

_HINT = 'expected a JSON object {"app": {"bug": ["recording", "recording"]}}'


@dataclass(frozen=True, slots=True)
class BugRecording:
    """One recording of a bug."""

    media_id: str
    app: str
    bug: str


def is_duplicates_file(path: Path) -> bool:
    """Return whether a file is one JSON object of objects of lists, unlike any annotation file."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        return not _problem_of(parse_whole(decode_text(path.read_bytes())))
    except JsonError:
        return False


def read_duplicates(path: Path) -> list[BugRecording]:
    """Read the recordings of a duplicates file, in the file's order.

    Args:
        path: JSON file.

    Returns:
        One entry per recording.

    Raises:
        DataError: The file cannot be read, has another structure, or lists a recording twice.
    """
    try:
        content = read_json(path)
    except (OSError, JsonError) as error:
        raise DataError(f"duplicates file {path} cannot be read: {error}", _HINT) from error
    problem = _problem_of(content)
    if problem:
        raise DataError(f"duplicates file {path}: {problem}", _HINT)
    recordings = [
        BugRecording(media_id, app, bug)
        for app, bugs in content.items()
        for bug, media_ids in bugs.items()
        for media_id in media_ids
    ]
    _check_no_repeats(recordings, path)
    return recordings


def _check_no_repeats(recordings: Sequence[BugRecording], path: Path) -> None:
    counts = Counter(composed(recording.media_id) for recording in recordings)
    twice = [media_id for media_id, count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"duplicates file {path} lists {len(twice)} recordings more than once: {', '.join(twice[:5])}",
            "list each recording under one bug only",
        )


def _problem_of(content: Any) -> str:
    """Return what is wrong with a parsed file; empty if nothing is."""
    if not isinstance(content, dict) or not content:
        return "expected a JSON object with one key per app"
    for app, bugs in content.items():
        if not isinstance(bugs, dict):
            return f"expected app {app!r} to be an object with one key per bug"
        for bug, media_ids in bugs.items():
            if not isinstance(media_ids, list) or not all(isinstance(one, str) for one in media_ids):
                return f"expected bug {bug!r} of app {app!r} to be a list of recording ids"
    return ""
