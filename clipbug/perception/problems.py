"""What went wrong, as far as the screen shows it. Usually nothing: each rule needs evidence that is seen."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from clipbug.perception.moments import Moment
from clipbug.perception.plateaus import Motion
from clipbug.perception.reading import Reading
from clipbug.perception.screens import Stay, is_chrome
from clipbug.perception.text import Line
from clipbug.perception.timeline import Event, Problem

_CRASH = re.compile(
    r"\b(has stopped|keeps stopping|stopped working|isn.t responding|not responding|aw, ?snap|"
    r"has crashed|app crashed|sigsegv|application error|fatal (error|exception)|ist abgest.rzt|wurde beendet|"
    r"s.est arr.t.e?|se detuvo|已停止运行)",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"\b(something went wrong|went wrong|an? (unknown |unexpected |internal )?error|error:|error code|"
    r"\w+(Error|Exception)\b:?|failed to|could ?n.t|could not|cannot be (?!undone)|unable to|request failed|"
    r"server error|try again later|invalid \w+|fehler|erreur|出错|错误)",
    re.IGNORECASE,
)
_BAD_VALUE = re.compile(r"(?<![\w/.-])(undefined|NaN|null|\[object Object\]|\{\{ ?[\w.]+ ?\}\})(?![\w/-])")
_OVERFLOW = re.compile(r"OVERFLOWED BY [\d.]+ PIXELS", re.IGNORECASE)
_WAITING = re.compile(r"^(loading|sending|saving|please wait|wird geladen|加载中)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\b(items?|left|unread|total|count|results?)\b", re.IGNORECASE)
_END_SECONDS = 1.2
_WAIT_SECONDS = 3.0
_SAME_SPOT = 0.05
_MAX_SPINNER, _MIN_SPINNER = 0.08, 0.0005
_MAX_CODE_LINES = 3


def find_problem(reading: Reading, motion: Motion, events: Sequence[Event]) -> Problem | None:
    """Return the most certain problem, or None."""
    found = [*_words(reading), *_end(reading, motion, events), *_twice(reading), *_no_effect(reading, events)]
    return max(found, key=lambda problem: problem.confidence, default=None)


def _words(reading: Reading) -> Iterator[Problem]:
    """Find what the app itself prints about its failure."""
    height = reading.frames.height
    first = {(line.text) for line in reading.moments[0].texts} if len(reading.moments) > 1 else set()
    for number, stay in enumerate(reading.stays):
        for moment in reading.moments[stay.first : stay.last + 1]:
            lines = [line for line in moment.texts if not is_chrome(line, height)]
            start = float(reading.frames.seconds[moment.first])
            yield from _crash_or_error(stay, number, lines, start)
            yield from _bad_values([line for line in lines if line.text not in first], start)


def _crash_or_error(stay: Stay, number: int, lines: Sequence[Line], start: float) -> Iterator[Problem]:
    few = len(lines) <= 12
    for line in lines:
        quoted = f"the screen says “{line.text}”"
        if _OVERFLOW.search(line.text):
            yield Problem(kind="broken layout", time_seconds=start, reason=quoted, confidence=0.9)
        elif _CRASH.search(line.text) and (stay.kind == "dialog" or few):
            yield Problem(kind="crash", time_seconds=start, reason=quoted, confidence=0.92)
        elif stay.kind == "dialog" and number > 0 and _ERROR.search(line.text) and _is_in_dialog(stay, line):
            yield Problem(
                kind="error dialog",
                time_seconds=start,
                reason=f"a dialog says “{line.text}”",
                confidence=0.85,
            )


def _bad_values(lines: Sequence[Line], start: float) -> Iterator[Problem]:
    """Find a value that a program shows only by mistake; a page of code is full of them."""
    hits = [(line, match) for line in lines if (match := _BAD_VALUE.search(line.text))]
    if not hits or len(hits) > _MAX_CODE_LINES:
        return
    line, match = hits[0]
    if match[1] == "null" and len(line.text.split()) > 4:
        return
    kind = "wrong counter" if match[1] == "NaN" and _COUNTED.search(line.text) else "wrong text"
    yield Problem(kind=kind, time_seconds=start, reason=f"the screen shows “{line.text}”", confidence=0.8)


def _is_in_dialog(stay: Stay, line: Line) -> bool:
    if stay.dialog is None:
        return False
    x, y = line.center
    left, top, right, bottom = stay.dialog
    return left <= x <= right and top <= y <= bottom


def _end(reading: Reading, motion: Motion, events: Sequence[Event]) -> Iterator[Problem]:
    """Tell whether the recording ends on a screen without content, or while something is still loading."""
    last = reading.stays[-1]
    if last.first == 0 and len(reading.stays) == 1 and len(reading.moments) == 1:
        return
    moments = reading.moments[last.first : last.last + 1]
    start = float(reading.frames.seconds[moments[0].first])
    lasts = reading.frames.end_of(moments[-1].last) - start
    if len(reading.stays) > 1 and lasts >= _END_SECONDS:
        if last.kind == "black":
            reason = f"the screen is black from {start:.1f} s to the end"
            yield Problem(kind="black screen", time_seconds=start, reason=reason, confidence=0.75)
        if last.kind == "blank":
            reason = f"the page is empty from {start:.1f} s to the end"
            yield Problem(kind="blank page", time_seconds=start, reason=reason, confidence=0.65)
    yield from _waiting(reading, motion, events, moments)


def _waiting(
    reading: Reading, motion: Motion, events: Sequence[Event], moments: Sequence[Moment]
) -> Iterator[Problem]:
    frames = reading.frames
    end = frames.end_of(len(frames) - 1)
    waits = [
        (float(frames.seconds[moment.first]), line)
        for moment in moments
        for line in moment.texts
        if _WAITING.search(line.text) and any(line.text == other.text for other in moments[-1].texts)
    ]
    if waits and end - waits[0][0] >= _WAIT_SECONDS:
        start, line = waits[0]
        reason = f"“{line.text}” is still shown after {end - start:.1f} s, when the recording ends"
        yield Problem(kind="endless spinner", time_seconds=start, reason=reason, confidence=0.75)
        return
    since = max((event.end_seconds for event in events if event.kind in ("tap", "swipe")), default=None)
    if since is None or end - since < _WAIT_SECONDS:
        return
    first = frames.index_at(since + 1.0)
    busy = motion.busy[first:]
    always = busy.mean(axis=0) > 0.8
    share = float(always.mean())
    rows, columns = np.flatnonzero(always.any(axis=1)), np.flatnonzero(always.any(axis=0))
    if not _MIN_SPINNER < share < _MAX_SPINNER or len(rows) == 0:
        return
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    is_compact = share * always.size > 0.5 * height * width and 0.5 < height / width < 2
    if is_compact:
        reason = f"something small keeps turning for {end - since:.1f} s after the last touch, to the end"
        yield Problem(kind="endless spinner", time_seconds=since, reason=reason, confidence=0.6)


def _twice(reading: Reading) -> Iterator[Problem]:
    """Find what was typed once and is then listed twice."""
    for typed in reading.typed:
        if "•" in typed.text or len(typed.text) < 3:
            continue
        before = _count(reading.moments[typed.after], typed.text, typed.line)
        for moment in reading.moments[typed.after + 1 :]:
            if before == 0 and _count(moment, typed.text, typed.line) >= 2:
                start = float(reading.frames.seconds[moment.first])
                reason = f"“{typed.text}” was typed once and is listed twice"
                yield Problem(kind="duplicate item", time_seconds=start, reason=reason, confidence=0.8)
                break


def _count(moment: Moment, text: str, field: Line) -> int:
    """Return how many lines in one column are exactly the text, its field not counted."""
    same = [line for line in moment.texts if line.text.lower() == text.lower()]
    same = [line for line in same if abs(line.center[1] - field.center[1]) > field.height]
    lefts = [line.box[0] for line in same]
    return max((sum(abs(left - other) < field.height for other in lefts) for left in lefts), default=0)


def _no_effect(reading: Reading, events: Sequence[Event]) -> Iterator[Problem]:
    """Find a button that is touched again and again at the end of a recording, and nothing happens."""
    taps = [event for event in events if event.kind == "tap" and event.confidence > 0.6]
    if len(taps) < 2 or reading.found.indicator == "none":
        return
    last, other = taps[-1], taps[-2]
    if last.x is None or last.y is None or other.x is None or other.y is None:
        return
    is_there = (
        abs(last.x - other.x) < _SAME_SPOT * reading.frames.width
        and abs(last.y - other.y) < _SAME_SPOT * reading.frames.width
    )
    if is_there and last.target and not last.changed and not other.changed:
        reason = f"“{last.target}” is touched more than once, and nothing changes"
        yield Problem(kind="frozen button", time_seconds=other.time_seconds, reason=reason, confidence=0.65)
