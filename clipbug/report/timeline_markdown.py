"""A timeline as steps to reproduce, in Markdown that an issue tracker shows."""

import re
from collections.abc import Mapping, Sequence

from clipbug.perception.timeline import Timeline
from clipbug.report.timeline_words import clock, describe, first_screen, remarks

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~@!&])")
_RUNS_OF_BACKTICKS = re.compile(r"`+")


def steps_markdown(
    timelines: Sequence[Timeline], pictures: Mapping[int, Mapping[int, str]] | None = None
) -> str:
    """Return a section for each timeline.

    Args:
        timelines: what was read.
        pictures: for the number of a timeline, the file name of an event's picture by the event's number.
    """
    sections = [
        _section(timeline, (pictures or {}).get(number, {}), several=len(timelines) > 1)
        for number, timeline in enumerate(timelines)
    ]
    return "\n".join(sections)


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code_span(text: str) -> str:
    """Return a text as code, whatever backticks it holds."""
    flat = " ".join(text.split())
    longest = max((len(run) for run in _RUNS_OF_BACKTICKS.findall(flat)), default=0)
    fence = "`" * (longest + 1)
    space = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{space}{flat}{space}{fence}"


def _section(timeline: Timeline, pictures: Mapping[int, str], *, several: bool) -> str:
    heading = f"## Steps to reproduce: {escaped(timeline.media_id)}" if several else "## Steps to reproduce"
    lines = [heading, ""]
    start = first_screen(timeline)
    steps = [f"Start on **{escaped(start)}** (0:00)"] if start else []
    images: list[str | None] = [None] * len(steps)
    for number, event in enumerate(timeline.events):
        text = describe(event, bold=lambda name: f"**{escaped(name)}**", code=code_span)
        notes = "".join(f"; {note}" for note in remarks(event))
        steps.append(f"{text} ({clock(event.time_seconds)}{notes})")
        images.append(pictures.get(number))
    for number, (step, image) in enumerate(zip(steps, images, strict=True), 1):
        lines.append(f"{number}. {step}")
        if image is not None:
            lines += ["", f"   ![step {number}](<{image}>)", ""]
    if not timeline.events:
        lines.append("No touch, scroll or typing was found.")
    lines.append("")
    lines += _ending(timeline)
    return "\n".join(lines)


def _ending(timeline: Timeline) -> list[str]:
    lines = []
    last = timeline.screens[-1] if timeline.screens else None
    if last is not None and last.title:
        lines += [f"Last screen: **{escaped(last.title)}**", ""]
    problem = timeline.problem
    if problem is not None:
        lines += [
            f"Problem: {escaped(problem.kind)} ({clock(problem.time_seconds)}): {escaped(problem.reason)}",
            "",
        ]
    if timeline.unreadable:
        lines += [f"{len(timeline.unreadable)} lines are in a script that could not be read.", ""]
    about = f"{timeline.width}x{timeline.height}, {clock(timeline.duration_seconds)}"
    return [*lines, f"Recording: {code_span(timeline.file)} ({about})", ""]
