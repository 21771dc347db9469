"""What the user did, from touches that were seen, text that was typed, and what changed."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from clipbug.perception.changes import Change
from clipbug.perception.inferred import InferredTap, infer_taps
from clipbug.perception.keyboard import keyboard_top
from clipbug.perception.names import Target, name_target
from clipbug.perception.reading import EFFECT_SHARE, Reading
from clipbug.perception.timeline import Direction, Event
from clipbug.perception.touches import Touch
from clipbug.perception.typed_text import Typed, is_alike, is_same_field

_SCROLL_REACH_SECONDS = 0.8
_MERGE_SCROLLS_SECONDS = 0.5
_TYPING_MARGIN_SECONDS = 0.35
_SCROLLED_TO = 0.75
_LABEL_MOMENTS = 4
_LIKE = 0.5


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
    touched = [event for event in events if event.kind != "swipe"]
    for number, scroll_event in enumerate(scrolls):
        if number not in used and not any(_causes(tap, scroll_event) for tap in touched):
            events.append(scroll_event)
    events.extend(_type_event(reading, typed) for typed in reading.typed)
    sent = _sent(reading)
    events.extend(_enter_event(reading, change) for change in sent)
    if reading.found.indicator == "none" and not reading.found.touches:
        explained = [change.start_seconds for change in sent]
        taps = infer_taps(reading.frames, reading.moments, reading.changes, reading.stays, reading.typed)
        events.extend(_inferred_event(reading, tap) for tap in taps if tap.seconds not in explained)
    return sorted(events, key=lambda event: event.time_seconds)


def _sent(reading: Reading) -> list[Change]:
    """Return the changes at which a field that was typed into is emptied, and nothing was touched."""
    found = []
    for typed in reading.typed:
        for change in reading.changes[typed.after : typed.after + 2]:
            emptied = [line for line in change.vanished if is_same_field(line, typed.line)]
            shown = [
                line
                for line in reading.moments[change.after].texts
                if is_same_field(line, typed.line) and is_alike(line.text, typed.initial)
            ]
            touched = any(
                touch.time - 0.1 <= change.start_seconds <= touch.end + _SCROLL_REACH_SECONDS
                for touch in reading.found.touches
            )
            if emptied and shown and not touched and change.share > EFFECT_SHARE:
                found.append(change)
                break
    return found


def _enter_event(reading: Reading, change: Change) -> Event:
    return Event(
        time_seconds=change.start_seconds,
        end_seconds=change.start_seconds,
        kind="key",
        target="Enter",
        target_kind="key",
        screen=reading.screen_of(change.before),
        changed=True,
        confidence=0.6,
    )


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
    target = name_target(reading.place(moment, touch.time), touch.x, touch.y)
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


def _inferred_event(reading: Reading, tap: InferredTap) -> Event:
    seconds, x, y, moment = tap.seconds, tap.x, tap.y, tap.moment
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
        confidence=0.5 if target else 0.3,
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
    texts = [other.text for other in reading.typed]
    screen = reading.stays[reading.screen_of(typed.before)]
    placeholders = [
        line
        for moment in reading.moments[max(screen.first, typed.before - _LABEL_MOMENTS) : typed.before + 1]
        for line in moment.texts
        if typed.initial and is_same_field(line, typed.line) and not _is_typed(line.text, texts)
    ]
    alike = [line for line in placeholders if _is_like(line.text, typed.initial)]
    placeholders = alike if alike or not _is_typed(typed.initial, texts) else placeholders
    if not placeholders and typed.initial:
        return Target(typed.initial, "field", typed.box)
    if placeholders:  # the best reading: a pointer or caret may cover some of the others
        best = max(placeholders, key=lambda line: line.confidence)
        return Target(best.text, "field", typed.box)
    return here if here.kind in ("text", "field") else Target(None, "field", typed.box)


def _is_typed(text: str, typed: Sequence[str]) -> bool:
    """Whether a field holds the beginning of what is typed into it, rather than its placeholder."""
    return any(other.lower().startswith(text.lower()) for other in typed)


def _is_like(text: str, initial: str) -> bool:
    return SequenceMatcher(None, text, initial).ratio() >= _LIKE


def _is_on_keys(reading: Reading, touch: Touch) -> bool:
    """Whether a touch is one of a run of typing on the keyboard."""
    is_typing = any(
        typed.start - _TYPING_MARGIN_SECONDS <= touch.time <= typed.end + _TYPING_MARGIN_SECONDS
        for typed in reading.typed
    )
    moment = reading.moments[reading.moment_before(touch.time)]
    top = keyboard_top(moment.texts, reading.frames.height)
    return is_typing and top is not None and touch.y > top
