"""What was typed: the text of a field before and after, wherever the keys were."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from clipbug.perception.changes import Change
from clipbug.perception.frames import FrameStore
from clipbug.perception.keyboard import keyboard_top
from clipbug.perception.moments import Moment
from clipbug.perception.plateaus import differing
from clipbug.perception.screens import is_chrome
from clipbug.perception.text import Line
from clipbug.perception.timeline import Box

_MIN_KEPT = 0.25
_MAX_PAUSE_SECONDS = 5.0
_SAME_ROW, _SAME_LEFT = 0.7, 1.6  # of a line's height
_MIN_STEPS = 2
_SUGGESTIONS = 2.4  # of a line's height above the keys
_MISREAD, _ALIKE = 0.7, 0.85
_MAX_HEIGHT = 2.6  # of a line's height
_MAX_OTHERS = 2
_DOTS = set("•●∙·*.…⚫")


@dataclass(frozen=True, slots=True)
class Typed:
    """A run of typing into one field.

    Attributes:
        start, end: seconds of the first and last change of the field.
        text: what it held at the end, less what it held before.
        initial: what it showed before: a placeholder or a value; empty if nothing.
        line: the field's text in the end, as it was read.
        before, after: places of the moments before and after.
    """

    start: float
    end: float
    text: str
    initial: str
    line: Line
    before: int
    after: int

    @property
    def box(self) -> Box:
        """Of the text in the field, in pixels of the recording."""
        return self.line.box


@dataclass(frozen=True, slots=True)
class _Growth:
    steps: int
    start: float
    end: float
    left: float


@dataclass(frozen=True, slots=True)
class _Step:
    line: Line
    initial: str
    growth: _Growth
    change: Change
    has_keyboard: bool


@dataclass
class _Run:
    steps: list[_Step]

    def goes_on_with(self, step: _Step) -> bool:
        """Return whether a step adds to the text that this run has reached."""
        last = self.steps[-1]
        if not is_same_field(last.line, step.line):
            return False
        if step.growth.start - last.growth.end > _MAX_PAUSE_SECONDS:
            return False
        reached = last.line.text
        shared = _common(_without_icon(step.line.text), _without_icon(reached))
        if step.change.kept < _MIN_KEPT and 2 * shared < len(_without_icon(reached)):
            return False
        return step.initial == reached or _common(step.initial, reached) >= len(step.initial) / 2 > 0

    def finished(self) -> Typed | None:
        """Return what was typed; None if it is too little to be sure."""
        first, last = self.steps[0], self.steps[-1]
        text = _typed_text(last.line, first.initial, first.growth.left)
        num_steps = sum(step.growth.steps for step in self.steps)
        if len(text) < 2 or (num_steps < _MIN_STEPS and not last.has_keyboard):
            return None
        if not any(letter.isalnum() or letter == "•" for letter in text):
            return None
        return Typed(
            start=first.growth.start,
            end=last.growth.end,
            text=text,
            initial=first.initial,
            line=last.line,
            before=first.change.before,
            after=last.change.after,
        )


def find_typing(frames: FrameStore, moments: Sequence[Moment], changes: Sequence[Change]) -> list[Typed]:
    """Return the runs of typing in order of time."""
    runs: list[_Run] = []
    for change in changes:
        step = _typing_step(frames, moments, change, runs)
        if step is None:
            continue
        known = next((run for run in reversed(runs) if run.goes_on_with(step)), None)
        if known is not None:
            known.steps.append(step)
        else:
            runs.append(_Run([step]))
    found = [run.finished() for run in runs]
    return sorted((typed for typed in found if typed is not None), key=lambda typed: typed.start)


def _typing_step(
    frames: FrameStore, moments: Sequence[Moment], change: Change, runs: Sequence["_Run"]
) -> _Step | None:
    """Return how one line grew letter by letter between two moments; None if none did."""
    if change.dims or (change.shift is not None and change.shift.match > 0.9):
        return None
    before, after = moments[change.before], moments[change.after]
    tops = [keyboard_top(moment.texts, frames.height) for moment in (before, after)]
    best: _Step | None = None
    for line in change.appeared:
        if is_chrome(line, frames.height) or _is_keyboard(line, tops):
            continue
        if _is_placeholder(line, runs, moments):
            continue
        initial = next((other for other in change.vanished if is_same_field(other, line)), None)
        growth = _growth(frames, before.frame, after.frame, line)
        if growth is None:
            continue
        step = _Step(line, initial.text if initial else "", growth, change, None not in tops)
        goes_on = any(run.goes_on_with(step) for run in runs)
        if not goes_on and not _is_beginning(step):
            continue
        if best is None or growth.steps > best.growth.steps:
            best = step
    return best


def _is_beginning(step: _Step) -> bool:
    """Whether a field has been typed into, rather than a label replaced, moved or covered."""
    text, initial = step.line.text, step.initial
    if initial and (initial.startswith(text) or _is_misread(initial, text)):
        return False
    if step.change.kept < _MIN_KEPT:
        return False
    box = step.change.box
    is_local = box is not None and box[3] - box[1] <= _MAX_HEIGHT * step.line.height
    is_alone = len(step.change.appeared) <= _MAX_OTHERS
    return step.has_keyboard or (is_local and is_alone)


def _growth(frames: FrameStore, first: int, last: int, line: Line) -> _Growth | None:
    """Return how the line became what it is in frame `last`, more and more of it right, from the left on.

    A page that slides or fades in is right all at once; typed text is right up to the last letter typed.
    """
    scale = frames.scale
    height, width = frames.sizes.small
    top, bottom = max(0, int(line.box[1] / scale)), min(height, int(np.ceil(line.box[3] / scale)))
    left = max(0, int(line.box[0] / scale) - 3)
    right = min(width, int(line.box[2] / scale) + 3)
    if right - left < 3 or bottom - top < 2:
        return None
    final = frames.luma(last)
    progress = -1.0
    start_column: float | None = None
    times: list[int] = []
    for index in range(first, last + 1):
        if index > first and frames.luma(index) is frames.luma(index - 1):
            continue
        wrong = differing(frames.luma(index), final)[top:bottom, left:right]
        columns = np.flatnonzero(np.count_nonzero(wrong, axis=0))
        reached = float(columns[0]) if len(columns) else float(right - left)
        if start_column is None:
            start_column = progress = reached
        elif reached > progress + 1:
            progress = reached
            times.append(index)
    if not times or start_column is None:
        return None
    seconds = frames.seconds
    x = (left + start_column) * scale
    return _Growth(len(times), float(seconds[times[0]]), float(seconds[times[-1]]), x)


def _is_keyboard(line: Line, tops: Sequence[float | None]) -> bool:
    """Whether a line is on the keys or in the row of suggestions above them."""
    return any(top is not None and line.center[1] > top - _SUGGESTIONS * line.height for top in tops)


def is_same_field(one: Line, other: Line) -> bool:
    """Return whether two lines begin at the same place."""
    reach = max(one.height, other.height)
    return (
        abs(one.center[1] - other.center[1]) < _SAME_ROW * reach
        and abs(one.box[0] - other.box[0]) < _SAME_LEFT * reach
    )


def _is_misread(initial: str, text: str) -> bool:
    """Whether a text is the one before with a letter lost or swapped, say because a pointer covers it."""
    return len(text) <= len(initial) + 1 and SequenceMatcher(None, initial, text).ratio() > _MISREAD


def _is_placeholder(line: Line, runs: Sequence[_Run], moments: Sequence[Moment]) -> bool:
    """Whether an emptied field shows again what it showed before somebody typed."""
    for run in runs:
        if not is_same_field(line, run.steps[0].line):
            continue
        for moment in moments[: run.steps[0].change.before + 1]:
            if any(is_same_field(line, other) and is_alike(line.text, other.text) for other in moment.texts):
                return True
    return False


def is_alike(one: str, other: str) -> bool:
    """Return whether two texts are readings of the same one."""
    return one == other or SequenceMatcher(None, one, other).ratio() > _ALIKE


def _typed_text(line: Line, initial: str, left: float) -> str:
    """Return the text of a field without its icon, its caret and what it held before.

    Args:
        line: the text in the end.
        initial: what was there before.
        left: where the first change was; what stands before it is an icon or older text.
    """
    text = line.text.strip().strip("|").strip()
    first, _, rest = text.partition(" ")
    if len(initial) > 2 and text.startswith(initial):
        text = text[len(initial) :].strip()
    elif rest and len(first) <= 2 and left - line.box[0] > 0.5 * line.height:
        text = rest
    if text and set(text) <= _DOTS:  # a password: as many dots as were shown
        text = "•" * sum(3 if letter == "…" else 1 for letter in text)
    return text


def _without_icon(text: str) -> str:
    """Return a text without a short first word, which may be the icon of a field, read in several ways."""
    first, _, rest = text.partition(" ")
    return rest if rest and len(first) <= 2 else text


def _common(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
