"""Timelines as one HTML page that needs nothing else: no network, no other file, no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from clipbug import __version__
from clipbug.perception.timeline import Timeline
from clipbug.report.timeline_words import clock, describe, remarks

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class StepPictures:
    """The pictures of a timeline as addresses that hold them.

    Attributes:
        thumbs, screens: of each screen, small and large.
        events: of each event.
    """

    thumbs: tuple[str, ...]
    screens: tuple[str, ...]
    events: tuple[str, ...]


def render_timelines(items: Sequence[tuple[Timeline, StepPictures]]) -> str:
    """Return the page; everything that was read is escaped, and a policy in the page forbids the network."""
    environment = Environment(
        loader=PackageLoader("clipbug.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = clock
    return environment.get_template("timeline.html").render(
        items=[_item(number, timeline, pictures) for number, (timeline, pictures) in enumerate(items)],
        policy=_POLICY,
        version=__version__,
    )


def _item(number: int, timeline: Timeline, pictures: StepPictures) -> dict[str, Any]:
    length = max(timeline.duration_seconds, 1e-6)
    steps = [
        {
            "id": f"t{number}-step-{place + 1}",
            "seconds": event.time_seconds,
            "share": min(100.0, 100 * event.time_seconds / length),
            "kind": event.kind,
            "text": describe(event, bold=str, code=lambda text: f"“{text}”"),
            "remarks": ", ".join(remarks(event)),
            "picture": pictures.events[place],
            "boxes": [_percent(timeline, event.target_box)] if event.target_box else [],
            "point": _point(timeline, event.x, event.y),
        }
        for place, event in enumerate(timeline.events)
    ]
    screens = [
        {
            "id": f"t{number}-screen-{place + 1}",
            "start": 100 * screen.start_seconds / length,
            "width": 100 * (screen.end_seconds - screen.start_seconds) / length,
            "screen": screen,
            "thumb": pictures.thumbs[place],
            "picture": pictures.screens[place],
            "boxes": [
                _percent(timeline, line.box)
                for line in screen.texts
                if line.first_seconds <= screen.frame_seconds <= line.last_seconds
            ],
        }
        for place, screen in enumerate(timeline.screens)
    ]
    return {"timeline": timeline, "steps": steps, "screens": screens}


def _percent(timeline: Timeline, box: tuple[float, float, float, float]) -> dict[str, float]:
    left, top, right, bottom = box
    return {
        "left": 100 * left / timeline.width,
        "top": 100 * top / timeline.height,
        "width": 100 * (right - left) / timeline.width,
        "height": 100 * (bottom - top) / timeline.height,
    }


def _point(timeline: Timeline, x: float | None, y: float | None) -> dict[str, float] | None:
    if x is None or y is None:
        return None
    return {"left": 100 * x / timeline.width, "top": 100 * y / timeline.height}
