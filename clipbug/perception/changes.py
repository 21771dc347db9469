"""What is different between two successive moments of a recording."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import FrameStore
from clipbug.perception.moments import Moment
from clipbug.perception.plateaus import Motion, differing, spread
from clipbug.perception.shift import Shift, find_shift
from clipbug.perception.text import Line
from clipbug.perception.timeline import Box

_SAME_PLACE = 0.7  # of a line's height
_CELLS = (64, 36)
_DIM_FIT_LEVELS = 7.0
_DIM_RANGE = (0.2, 0.92)
_MIN_DIM_AREA, _MAX_DIM_AREA = 0.25, 0.97
_MIN_SPOT = 3
_MIN_TEXT_SHIFT = 8  # small pixels
_MIN_SHIFTED_LINES, _MIN_SHIFTED_SHARE = 3, 0.6


@dataclass(frozen=True, slots=True)
class Change:
    """The step from one moment to the next.

    Attributes:
        before, after: the moments' places in their list.
        start_seconds, end_seconds: of the frames in which it happens.
        share: of the screen's pixels that differ in the end, without what moves all the time.
        box: round these; None if there are none.
        blob: round the largest part of them that hangs together.
        shift: how content was scrolled, if it was.
        appeared, vanished: lines of the one moment that the other does not have at that place.
        kept: share of the lines before that are still there.
        dims: 1 if the rest of the screen went dim (a dialog opens), -1 if it came back, else 0.
    """

    before: int
    after: int
    start_seconds: float
    end_seconds: float
    share: float
    box: Box | None
    blob: Box | None
    shift: Shift | None
    appeared: tuple[Line, ...]
    vanished: tuple[Line, ...]
    kept: float
    dims: int


def find_changes(frames: FrameStore, motion: Motion, moments: Sequence[Moment]) -> list[Change]:
    """Return the step between each two successive moments."""
    return [_change(frames, motion, moments, place) for place in range(len(moments) - 1)]


def missing_from(
    lines: Iterable[Line], others: Sequence[Line], *, dx: float = 0.0, dy: float = 0.0
) -> tuple[Line, ...]:
    """Return the lines that `others` does not have with the same text at the place moved by (dx, dy)."""
    return tuple(line for line in lines if not any(_is_same(line, other, dx, dy) for other in others))


def dimmed_box(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Box | None:
    """Return the part, in shares of the sides, that a dialog takes if all else is a dimmed `before`.

    Shape:
        before, after: (h, w) luma.
    """
    a = cv2.resize(before, _CELLS[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    b = cv2.resize(after, _CELLS[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    edge = np.ones(_CELLS, bool)
    edge[6:-10, 5:-5] = False
    bright = edge & (a > 40)
    if np.count_nonzero(bright) < 30:
        return None
    factor = float(np.median(b[bright] / a[bright]))
    if not _DIM_RANGE[0] <= factor <= _DIM_RANGE[1]:
        return None
    dim = np.abs(b - factor * a) < _DIM_FIT_LEVELS + 0.05 * a
    if not _MIN_DIM_AREA <= dim[4:-4].mean() <= _MAX_DIM_AREA:
        return None
    rest = cv2.morphologyEx((~dim).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(rest)
    if count < 2:
        return None
    left, top, width, height = (int(value) for value in max(stats[1:], key=lambda row: row[4])[:4])
    if width < _MIN_SPOT or height < _MIN_SPOT:
        return None
    rows, columns = _CELLS
    return left / columns, top / rows, (left + width) / columns, (top + height) / rows


def changed_box(changed: NDArray[np.bool_], scale: float) -> Box | None:
    """Return the box round the changed small pixels (h, w), specks left out, in pixels of the recording."""
    solid = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if len(rows) == 0:
        return None
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return float(left * scale), float(top * scale), float(right * scale), float(bottom * scale)


def _change(frames: FrameStore, motion: Motion, moments: Sequence[Moment], place: int) -> Change:
    before, after = moments[place], moments[place + 1]
    a, b = frames.luma(before.frame), frames.luma(after.frame)
    calm = ~spread(motion.busy[after.first], b.shape)
    changed = differing(a, b) & calm
    share = float(np.count_nonzero(changed)) / changed.size
    shift = find_shift(a, b) if share > 0.01 else None
    if shift is None and share > 0.01:
        shift = _shift_of_text(before.texts, after.texts, frames.scale, len(b))
    dx, dy = (shift.dx * frames.scale, shift.dy * frames.scale) if shift else (0.0, 0.0)
    vanished = _missing_after(before.texts, after.texts, dx, dy)
    appeared = _missing_after(after.texts, before.texts, -dx, -dy)
    kept = 1 - len(vanished) / len(before.texts) if before.texts else 1.0
    dims = 1 if dimmed_box(a, b) else -1 if dimmed_box(b, a) else 0
    return Change(
        before=place,
        after=place + 1,
        start_seconds=float(frames.seconds[min(before.last + 1, len(frames) - 1)]),
        end_seconds=float(frames.seconds[after.first]),
        share=share,
        box=changed_box(changed, frames.scale),
        blob=_largest_blob(changed, frames.scale),
        shift=shift,
        appeared=appeared,
        vanished=vanished,
        kept=kept,
        dims=dims,
    )


def _shift_of_text(before: Sequence[Line], after: Sequence[Line], scale: float, height: int) -> Shift | None:
    """Return the vertical shift that most of the lines found again have in common."""
    moves = []
    for line in before:
        same = [other for other in after if other.text == line.text and len(line.text) > 2]
        if len(same) == 1 and abs(same[0].box[0] - line.box[0]) < line.height:
            moves.append(same[0].center[1] - line.center[1])
    moves = [move for move in moves if abs(move) > _MIN_TEXT_SHIFT * scale]
    if len(moves) < _MIN_SHIFTED_LINES:
        return None
    usual = float(np.median(moves))
    alike = sum(abs(move - usual) < 3 * scale for move in moves)
    if alike < max(_MIN_SHIFTED_LINES, _MIN_SHIFTED_SHARE * len(moves)):
        return None
    return Shift(0, round(usual / scale), 0, height, alike / len(moves))


def _largest_blob(changed: NDArray[np.bool_], scale: float) -> Box | None:
    solid = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(solid)
    if count < 2:
        return None
    left, top, width, height = (float(value) for value in max(stats[1:], key=lambda row: row[4])[:4])
    return left * scale, top * scale, (left + width) * scale, (top + height) * scale


def _missing_after(lines: Sequence[Line], others: Sequence[Line], dx: float, dy: float) -> tuple[Line, ...]:
    """Return what neither stayed in its place nor moved along."""
    missing = missing_from(lines, others)
    return missing_from(missing, others, dx=dx, dy=dy) if dx or dy else missing


def _is_same(line: Line, other: Line, dx: float, dy: float) -> bool:
    x, y = line.center
    u, v = other.center
    reach = _SAME_PLACE * max(line.height, other.height)
    return line.text == other.text and abs(x + dx - u) < 2 * reach and abs(y + dy - v) < reach
