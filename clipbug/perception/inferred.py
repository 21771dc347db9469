"""Taps of recordings that show no mark for them, told by what changed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipbug.perception.changes import Change
from clipbug.perception.frames import FrameStore
from clipbug.perception.keyboard import keyboard_top
from clipbug.perception.moments import Moment
from clipbug.perception.plateaus import differing
from clipbug.perception.screens import Stay, is_chrome
from clipbug.perception.text import Line
from clipbug.perception.typed_text import Typed

_MIN_SHARE = 0.004
_MIN_SPOT_SHARE = 0.0012
_MAX_SPOT = (0.3, 0.09)  # of width and height
_MAX_PRESSED_AREA = 0.04
_MIN_PRESSED_PIXELS = 6
_PRESSED_SECONDS = 0.45
_MIN_GAP_SECONDS = 0.7
_FIELD_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class InferredTap:
    """A tap that something must have caused; x and y are None where it cannot be told where."""

    seconds: float
    x: float | None
    y: float | None
    moment: int


def infer_taps(
    frames: FrameStore,
    moments: Sequence[Moment],
    changes: Sequence[Change],
    stays: Sequence[Stay],
    typed: Sequence[Typed],
) -> list[InferredTap]:
    """Return the taps in order of time."""
    found: list[InferredTap] = []
    for change in changes:
        if found and change.start_seconds - found[-1].seconds < _MIN_GAP_SECONDS:
            continue
        if not _is_by_user(frames, moments, change, stays, typed):
            continue
        x, y = _place_of(frames, moments, change, typed) or (None, None)
        found.append(InferredTap(change.start_seconds, x, y, change.before))
    return found


def _is_by_user(
    frames: FrameStore,
    moments: Sequence[Moment],
    change: Change,
    stays: Sequence[Stay],
    typed: Sequence[Typed],
) -> bool:
    is_one_screen = any(stay.first <= change.before and change.after <= stay.last for stay in stays)
    if change.shift is not None and change.shift.dy and is_one_screen:
        return False
    if any(run.start - 0.1 <= change.start_seconds <= run.end + 0.1 for run in typed):
        return False
    kinds = [
        next(stay.kind for stay in stays if stay.first <= place <= stay.last)
        for place in (change.before, change.after)
    ]
    if kinds[0] in ("loading", "blank", "black"):
        return False
    height = frames.height
    texts = [line for line in (*change.appeared, *change.vanished) if not is_chrome(line, height)]
    if change.share >= _MIN_SHARE:
        return bool(texts) or kinds[0] != kinds[1] or change.share > 0.05
    return change.share >= _MIN_SPOT_SHARE and _is_spot(frames, change) and bool(change.blob)


def _is_spot(frames: FrameStore, change: Change) -> bool:
    """Whether no more than a widget has changed."""
    if change.blob is None or change.box is None:
        return False
    width, height = change.box[2] - change.box[0], change.box[3] - change.box[1]
    return width <= _MAX_SPOT[0] * frames.width and height <= _MAX_SPOT[1] * frames.height


def _place_of(
    frames: FrameStore, moments: Sequence[Moment], change: Change, typed: Sequence[Typed]
) -> tuple[float, float] | None:
    """Return where the tap was: what lit up first, the widget that changed, or the text that opened."""
    pressed = _pressed(frames, moments[change.before].last)
    if pressed is not None:
        return pressed
    if _is_spot(frames, change) and change.blob is not None:
        left, top, right, bottom = change.blob
        return (left + right) / 2, (top + bottom) / 2
    height = frames.height
    opens_keyboard = keyboard_top(moments[change.before].texts, height) is None and (
        keyboard_top(moments[change.after].texts, height) is not None
    )
    if opens_keyboard:
        for run in typed:
            if 0 <= run.start - change.start_seconds <= _FIELD_SECONDS:
                return (run.box[0] + run.box[2]) / 2, (run.box[1] + run.box[3]) / 2
    label = _opened_label(moments[change.before].texts, change)
    return label.center if label is not None else None


def _pressed(frames: FrameStore, last: int) -> tuple[float, float] | None:
    """Return the middle of the first small part that changes, such as a ripple or a lit row."""
    still = frames.luma(last)
    for index in range(last + 1, len(frames)):
        if frames.seconds[index] - frames.seconds[last] > _PRESSED_SECONDS:
            return None
        changed = differing(still, frames.luma(index))
        if np.count_nonzero(changed) < _MIN_PRESSED_PIXELS:
            continue
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        area = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1) / changed.size
        if area > _MAX_PRESSED_AREA:
            return None
        x, y = (columns[0] + columns[-1]) / 2, (rows[0] + rows[-1]) / 2
        return float(x * frames.scale), float(y * frames.scale)
    return None


def _opened_label(lines: Sequence[Line], change: Change) -> Line | None:
    """Return the line before that names what has opened: the first new line that was there already."""
    for new in change.appeared:
        for line in lines:
            if line.text == new.text and len(line.text) > 2 and line in change.vanished:
                return line
    return None
