"""The events of a timeline in words, shared by all of its views."""

from collections.abc import Callable

from clipbug.perception.timeline import Event, Timeline

Mark = Callable[[str], str]
"""Sets a name or a typed text off from the sentence."""

_UNSURE = 0.6
_VERBS = {"tap": "Tap", "double_tap": "Double-tap", "long_press": "Long-press"}
_WIDGETS = {
    "checkbox": "checkbox",
    "toggle": "toggle",
    "radio": "radio button",
    "tab": "tab",
    "key": "key",
    "field": "field",
}
_ICONS = {
    "back": "the back button",
    "menu": "the menu button",
    "more": "the menu with more options",
    "close": "the close button",
    "plus": "the plus button",
    "search": "the search button",
    "forward": "the forward button",
    "outside": "outside the dialog",
}


def clock(seconds: float) -> str:
    """Return a time as a player shows it: minutes and seconds, with hours where there are some."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe(event: Event, *, bold: Mark, code: Mark) -> str:
    """Return an event as an instruction, such as "Tap **Settings**".

    Args:
        event: what the user did.
        bold: marks the name of a target.
        code: marks typed text.
    """
    if event.kind == "type":
        field = f" into {bold(event.target)}" if event.target else ""
        return f"Type {code(event.text or '')}{field}"
    if event.kind == "key":
        return f"Press {bold(event.target or 'a key')}"
    if event.kind == "back":
        return "Go back"
    if event.kind in ("scroll", "swipe"):
        return f"{event.kind.capitalize()} {event.direction}" if event.direction else event.kind.capitalize()
    return f"{_VERBS[event.kind]} {_object(event, bold)}"


def remarks(event: Event) -> list[str]:
    """Return what a reader should know about an event besides."""
    notes = []
    if not event.changed:
        notes.append("nothing changes")
    if event.confidence < _UNSURE:
        notes.append("inferred from what changed" if event.kind == "tap" else "uncertain")
    return notes


def first_screen(timeline: Timeline) -> str | None:
    """Return the title of the screen that the recording begins with."""
    return timeline.screens[0].title if timeline.screens else None


def _object(event: Event, bold: Mark) -> str:
    kind = event.target_kind or ""
    if kind in _ICONS and event.target in (kind, None):
        return _ICONS[kind]
    if kind == "area" or event.target is None:
        return f"at the {event.target}" if event.target else "at a place that cannot be told"
    widget = _WIDGETS.get(kind)
    is_named_so = event.target == kind
    return (
        f"the {widget}" if is_named_so and widget else bold(event.target) + (f" ({widget})" if widget else "")
    )
