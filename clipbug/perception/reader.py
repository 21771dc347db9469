"""From the frames of a recording to its timeline."""

from collections.abc import Callable, Sequence

from clipbug.perception.changes import find_changes
from clipbug.perception.content_box import find_content_box
from clipbug.perception.events import find_events
from clipbug.perception.frames import FrameSource, FrameStore
from clipbug.perception.moments import Moment, read_moments
from clipbug.perception.ocr import OcrEngine
from clipbug.perception.plateaus import find_motion, find_plateaus
from clipbug.perception.problems import find_problem
from clipbug.perception.reading import Reading
from clipbug.perception.screens import find_stays, find_theme, make_screens
from clipbug.perception.scripts import UNKNOWN_SCRIPT
from clipbug.perception.text import TextReader
from clipbug.perception.timeline import Timeline, Unreadable
from clipbug.perception.touches import FoundTouches, find_touches
from clipbug.perception.typed_text import find_typing


def read_timeline(
    source: FrameSource,
    *,
    media_id: str,
    file: str,
    engine: OcrEngine,
    touches: Callable[[FrameStore], FoundTouches] = find_touches,
) -> Timeline:
    """Return the timeline of a recording or picture.

    Args:
        source: its frames, passed through once.
        media_id: its id.
        file: its name, for people.
        engine: finds and reads text; one engine serves any number of recordings.
        touches: finds the touches.

    Raises:
        ValueError: there is no frame.
    """
    frames = FrameStore(source)
    motion = find_motion(frames)
    box = find_content_box(frames, motion)
    moments = read_moments(frames, find_plateaus(frames, motion), TextReader(engine), box)
    changes = find_changes(frames, motion, moments)
    reading = Reading(
        frames=frames,
        moments=moments,
        changes=changes,
        stays=find_stays(frames, motion, moments, changes),
        typed=find_typing(frames, moments, changes),
        found=touches(frames),
    )
    events = find_events(reading)
    found = reading.found
    return Timeline(
        media_id=media_id,
        file=file,
        duration_seconds=frames.duration_seconds,
        width=frames.width,
        height=frames.height,
        content_box=box,
        indicator=found.indicator,
        indicator_color=found.indicator_color,
        theme=find_theme(frames),
        screens=tuple(make_screens(frames, moments, reading.stays)),
        events=tuple(events),
        pointer=found.pointer or None,
        unreadable=tuple(_unreadable(frames, moments)),
        problem=find_problem(reading, motion, events),
    )


def _unreadable(frames: FrameStore, moments: Sequence[Moment]) -> list[Unreadable]:
    """Return each unreadable line once."""
    found: dict[tuple[int, int], Unreadable] = {}
    for moment in moments:
        for line in moment.lines:
            if not line.is_readable:
                key = round(line.box[0] / 8), round(line.box[1] / 8)
                start = float(frames.seconds[moment.first])
                found.setdefault(key, Unreadable(start_seconds=start, box=line.box, script=UNKNOWN_SCRIPT))
    return list(found.values())
