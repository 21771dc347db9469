"""What the user did, from touches that were seen, text that was typed, and what changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipbug.perception.changes import Change
from clipbug.perception.frames import FrameStore
from clipbug.perception.inferred import infer_taps
from clipbug.perception.keyboard import keyboard_top
from clipbug.perception.moments import Moment
from clipbug.perception.names import Place, Target, name_target
from clipbug.perception.screens import Stay
from clipbug.perception.timeline import Direction, Event
from clipbug.perception.touches import FoundTouches, Touch
from clipbug.perception.typed_text import Typed, is_same_field

_BEFORE_SECONDS = 0.05
_EFFECT_SECONDS = 1.2
_EFFECT_SHARE = 0.0015
_SCROLL_REACH_SECONDS = 0.8
_MERGE_SCROLLS_SECONDS = 0.5
_TYPING_MARGIN_SECONDS = 0.35
_SCROLLED_TO = 0.75
_LABEL_MOMENTS = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was found in a recording so far, for the parts that build on it."""

    frames: FrameStore
    moments: Sequence[Moment]
    changes: Sequence[Change]
    stays: Sequence[Stay]
    typed: Sequence[Typed]
    found: FoundTouches

    def moment_before(self, seconds: float) -> int:
        """Return the last moment that was shown before a time."""
        index = self.frames.index_at(seconds - _BEFORE_SECONDS)
        places = [place for place, moment in enumerate(self.moments) if moment.first <= index]
        return places[-1] if places else 0

    def screen_of(self, moment: int) -> int:
        """Return the number of the screen that a moment belongs to."""
        return next(number for number, stay in enumerate(self.stays) if stay.first <= moment <= stay.last)

    def place(self, moment: int) -> Place:
        """Return what a touch at that moment can hit."""
        shown = self.moments[moment]
        return Place(
            lines=shown.texts,
            picture=self.frames.picture(shown.frame),
            scale=self.frames.reading_scale,
            width=self.frames.width,
            height=self.frames.height,
            dialog=self.stays[self.screen_of(moment)].dialog,
        )

    def has_effect(self, start: float, end: float) -> bool:
        """Return whether something changes soon after a touch."""
        return any(
            start - 0.1 <= change.start_seconds <= end + _EFFECT_SECONDS
            and (change.share > _EFFECT_SHARE or bool(change.appeared or change.vanished))
            for change in self.changes
        )


def find_events(reading: Reading) -> list[Event]:
    """Return the events in order of time."""
    scrolls = _scrolls(reading)
    events: list[Event] = []
    used: set[int] = set()
    for touch in reading.found.touches:
        if _is_on_keys(reading, touch):
            continue
        scroll = _scroll_of(touch, scrolls, used)
        if scroll is not None:
            used.add(scroll)
        events.append(_touch_event(reading, touch, scrolls[scroll] if scroll is not None else None))
    taps = [event for event in events if event.kind != "swipe"]
    for number, scroll_event in enumerate(scrolls):
        if number not in used and not any(_causes(tap, scroll_event) for tap in taps):
            events.append(scroll_event)
    events.extend(_type_event(reading, typed) for typed in reading.typed)
    if reading.found.indicator == "none" and not reading.found.touches:
        events.extend(
            _inferred_event(reading, tap.seconds, tap.x, tap.y, tap.moment)
            for tap in infer_taps(
                reading.frames, reading.moments, reading.changes, reading.stays, reading.typed
            )
        )
    return sorted(events, key=lambda event: event.time_seconds)


def _scrolls(reading: Reading) -> list[Event]:
    """Return the stretches in which content moved up or down, each as one event."""
    found: list[Event] = []
    height = reading.frames.height
    for change in reading.changes:
        before, after = reading.moments[change.before], reading.moments[change.after]
        if change.shift is None or change.shift.dy == 0 or change.dims:
            continue
        if (keyboard_top(before.texts, height) is None) != (keyboard_top(after.texts, height) is None):
            continue  # the page makes room for the keyboard
        if not _passes_edges(reading, change):
            continue  # a row was put in or taken out, and what is below it moved
        direction: Direction = "down" if change.shift.dy < 0 else "up"
        last = found[-1] if found else None
        if (
            last is not None
            and last.direction == direction
            and change.start_seconds - last.end_seconds < _MERGE_SCROLLS_SECONDS
        ):
            found[-1] = last.model_copy(update={"end_seconds": change.end_seconds})
            continue
        found.append(
            Event(
                time_seconds=change.start_seconds,
                end_seconds=change.end_seconds,
                kind="scroll",
                direction=direction,
                screen=reading.screen_of(change.before),
                confidence=round(0.9 * change.shift.match, 3),
            )
        )
    return found


def _passes_edges(reading: Reading, change: Change) -> bool:
    """Whether content came in at one edge of what moved and, going up, left at the other."""
    assert change.shift is not None, "the caller has checked"
    scale = reading.frames.scale
    top, bottom = change.shift.top * scale, change.shift.bottom * scale
    dy = change.shift.dy * scale
    if bottom < _SCROLLED_TO * reading.frames.height:
        return False
    if dy < 0:
        low = [line for line in change.appeared if line.center[1] - dy > bottom]
        return bool(low)
    high = [line for line in change.appeared if line.center[1] - dy < top]
    gone = [line for line in change.vanished if line.center[1] + dy > bottom]
    return bool(high and gone)


def _scroll_of(touch: Touch, scrolls: Sequence[Event], used: set[int]) -> int | None:
    """Return the scroll that a swipe brought about."""
    if touch.kind != "swipe" or len(touch.path) < 2:
        return None
    dx, dy = touch.path[-1][1] - touch.x, touch.path[-1][2] - touch.y
    if abs(dx) > abs(dy):
        return None
    for number, scroll in enumerate(scrolls):
        is_near = (
            touch.time - 0.2 <= scroll.end_seconds
            and scroll.time_seconds <= touch.end + _SCROLL_REACH_SECONDS
        )
        if number not in used and is_near and (dy < 0) == (scroll.direction == "down"):
            return number
    return None


def _causes(tap: Event, scroll: Event) -> bool:
    """Whether a page scrolled because something else was touched."""
    return tap.time_seconds - 0.2 <= scroll.time_seconds <= tap.end_seconds + _SCROLL_REACH_SECONDS


def _touch_event(reading: Reading, touch: Touch, scroll: Event | None) -> Event:
    moment = reading.moment_before(touch.time)
    if scroll is not None:
        update = {
            "time_seconds": touch.time,
            "end_seconds": max(touch.end, scroll.end_seconds),
            "x": touch.x,
            "y": touch.y,
            "confidence": max(touch.confidence, scroll.confidence),
        }
        return scroll.model_copy(update=update)
    direction = _direction(touch) if touch.kind == "swipe" else None
    target = name_target(reading.place(moment), touch.x, touch.y)
    return Event(
        time_seconds=touch.time,
        end_seconds=touch.end,
        kind=touch.kind,
        x=touch.x,
        y=touch.y,
        direction=direction,
        target=target.name,
        target_kind=target.kind,
        target_box=target.box,
        screen=reading.screen_of(moment),
        changed=reading.has_effect(touch.time, touch.end),
        confidence=touch.confidence,
    )


def _direction(touch: Touch) -> Direction | None:
    if len(touch.path) < 2:
        return None
    dx, dy = touch.path[-1][1] - touch.x, touch.path[-1][2] - touch.y
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"


def _inferred_event(reading: Reading, seconds: float, x: float | None, y: float | None, moment: int) -> Event:
    known = x is not None and y is not None
    target = name_target(reading.place(moment), x, y) if x is not None and y is not None else None
    return Event(
        time_seconds=seconds,
        end_seconds=seconds,
        kind="tap",
        x=x,
        y=y,
        target=target.name if target else None,
        target_kind=target.kind if target else None,
        target_box=target.box if target else None,
        screen=reading.screen_of(moment),
        changed=True,
        confidence=0.5 if known else 0.3,
    )


def _type_event(reading: Reading, typed: Typed) -> Event:
    left, top, right, bottom = typed.box
    field = _field_name(reading, typed)
    return Event(
        time_seconds=typed.start,
        end_seconds=typed.end,
        kind="type",
        x=(left + right) / 2,
        y=(top + bottom) / 2,
        target=field.name,
        target_kind="field",
        target_box=typed.box,
        text=typed.text,
        screen=reading.screen_of(typed.before),
        changed=True,
        confidence=0.8,
    )


def _field_name(reading: Reading, typed: Typed) -> Target:
    """Return the label over the field, else its placeholder, else the label to its left."""
    left, top, right, bottom = typed.box
    before = reading.place(typed.before)
    here = name_target(before, min(left + 0.5 * (bottom - top), right), (top + bottom) / 2)
    if here.kind == "field" and here.name:
        return here
    placeholders = [
        line
        for moment in reading.moments[max(0, typed.before - _LABEL_MOMENTS) : typed.before + 1]
        for line in moment.texts
        if typed.initial and is_same_field(line, typed.line)
    ]
    if placeholders:  # the best reading: a pointer or caret may cover some of the others
        best = max(placeholders, key=lambda line: line.confidence)
        return Target(best.text, "field", typed.box)
    return here if here.kind in ("text", "field") else Target(None, "field", typed.box)


def _is_on_keys(reading: Reading, touch: Touch) -> bool:
    """Whether a touch is one of a run of typing on the keyboard."""
    is_typing = any(
        typed.start - _TYPING_MARGIN_SECONDS <= touch.time <= typed.end + _TYPING_MARGIN_SECONDS
        for typed in reading.typed
    )
    moment = reading.moments[reading.moment_before(touch.time)]
    top = keyboard_top(moment.texts, reading.frames.height)
    return is_typing and top is not None and touch.y > top
