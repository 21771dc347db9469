"""A timeline as tables for a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clipbug.perception.timeline import Screen, Timeline
from clipbug.report.timeline_words import describe, remarks

_MAX_TEXTS = 6


def timeline_view(timelines: Sequence[Timeline]) -> RenderableType:
    """Return the screens and events of each timeline."""
    return Group(*(part for timeline in timelines for part in _parts(timeline)))


def _parts(timeline: Timeline) -> list[RenderableType]:
    touch = timeline.indicator
    color = f" ({timeline.indicator_color})" if timeline.indicator_color else ""
    title = (
        f"{timeline.file}: {timeline.width}x{timeline.height}, {timeline.duration_seconds:.2f} s,"
        f" {timeline.theme}, touches shown by: {touch}{color}"
    )
    parts: list[RenderableType] = [Text(title, style="bold"), _screens(timeline)]
    parts.append(_events(timeline) if timeline.events else Text("no events"))
    if timeline.problem is not None:
        problem = timeline.problem
        parts.append(
            Text(f"problem at {problem.time_seconds:.2f} s: {problem.kind}: {problem.reason}", style="red")
        )
    if timeline.unreadable:
        parts.append(Text(f"{len(timeline.unreadable)} lines in a script that is not read"))
    return [*parts, Text("")]


def _screens(timeline: Timeline) -> Table:
    table = Table(title="screens", title_justify="left", title_style="")
    table.add_column("seconds", no_wrap=True)
    for name in ("kind", "title", "text"):
        table.add_column(name, overflow="fold")
    for screen in timeline.screens:
        span = f"{screen.start_seconds:.2f} - {screen.end_seconds:.2f}"
        table.add_row(span, screen.kind, Text(screen.title or "-"), Text(_texts(screen)))
    return table


def _texts(screen: Screen) -> str:
    shown = [line.text for line in screen.texts[:_MAX_TEXTS]]
    more = len(screen.texts) - len(shown)
    return " | ".join(shown) + (f" ... {more} more" if more else "")


def _events(timeline: Timeline) -> Table:
    table = Table(title="events", title_justify="left", title_style="")
    table.add_column("seconds", no_wrap=True)
    table.add_column("event", overflow="fold")
    table.add_column("at", no_wrap=True)
    table.add_column("remarks", overflow="fold")
    for event in timeline.events:
        where = f"{event.x:.0f}, {event.y:.0f}" if event.x is not None and event.y is not None else "-"
        text = describe(event, bold=str, code=repr)
        table.add_row(f"{event.time_seconds:.2f}", Text(text), where, ", ".join(remarks(event)))
    return table
