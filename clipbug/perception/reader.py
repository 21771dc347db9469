"""From the frames of a recording to its timeline."""

from clipbug.perception.frames import FrameSource, FrameStore
from clipbug.perception.timeline import Timeline
from clipbug.perception.touches import find_touches


def read_timeline(source: FrameSource, *, media_id: str, file: str) -> Timeline:
    """Return the timeline of a recording or picture.

    Args:
        source: its frames, passed through once.
        media_id: its id.
        file: its name, for people.
    """
    frames = FrameStore(source)
    found = find_touches(frames)
    return Timeline(
        media_id=media_id,
        file=file,
        duration_seconds=frames.duration_seconds,
        width=frames.width,
        height=frames.height,
        content_box=(0.0, 0.0, float(frames.width), float(frames.height)),
        indicator=found.indicator,
        indicator_color=found.indicator_color,
    )
