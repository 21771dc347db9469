"""Which recordings show the same bug: {app: {bug: [recording, ...]}}, as the data of Tango is organized."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.annotations.media_ids import composed
from clipbug.errors import DataError
from clipbug.runtime.json_reading import JsonError, decode_text, parse_whole, read_json

_HINT = 'an object {"app": {"bug": ["recording", "recording"]}} is expected'


@dataclass(frozen=True, slots=True)
class BugRecording:
    """One recording of a bug."""

    media_id: str
    app: str
    bug: str


def is_duplicates_file(path: Path) -> bool:
    """Whether a file is one JSON object of objects of lists, unlike any annotation file."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        return not _problem_of(parse_whole(decode_text(path.read_bytes())))
    except JsonError:
        return False


def read_duplicates(path: Path) -> list[BugRecording]:
    """The recordings of a file, in its order.

    Raises:
        DataError: the file cannot be read, is of another form, or names a recording twice.
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
    _refuse_repeats(recordings, path)
    return recordings


def _refuse_repeats(recordings: Sequence[BugRecording], path: Path) -> None:
    counts = Counter(composed(recording.media_id) for recording in recordings)
    twice = [media_id for media_id, count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"duplicates file {path} names {len(twice)} recordings twice: {', '.join(twice[:5])}",
            "a recording belongs to one bug",
        )


def _problem_of(content: Any) -> str:
    """What is wrong with a parsed file, or nothing."""
    if not isinstance(content, dict) or not content:
        return "it holds no object of apps"
    for app, bugs in content.items():
        if not isinstance(bugs, dict):
            return f"app {app!r} holds no object of bugs"
        for bug, media_ids in bugs.items():
            if not isinstance(media_ids, list) or not all(isinstance(one, str) for one in media_ids):
                return f"bug {bug!r} of app {app!r} holds no list of recordings"
    return ""
