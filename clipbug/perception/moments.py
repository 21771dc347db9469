"""The moments of a recording that are read: each still stretch, and what changes a little within it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbug.perception.content_box import is_inside
from clipbug.perception.frames import FrameStore
from clipbug.perception.plateaus import Plateau, differing
from clipbug.perception.text import Line, TextReader
from clipbug.perception.timeline import Box

_LITTLE_SHARE = 0.0003  # about two letters
_MAX_PER_PLATEAU = 5
_STATUS_BAR_SHARE = 0.055


@dataclass(frozen=True, slots=True)
class Moment:
    """One state of the screen with its text.

    Attributes:
        first, last: frames during which it is shown.
        frame: the frame that was read.
        lines: its text; boxes are in pixels of the recording.
    """

    first: int
    last: int
    frame: int
    lines: tuple[Line, ...]

    @property
    def texts(self) -> tuple[Line, ...]:
        """The lines that could be read."""
        return tuple(line for line in self.lines if line.is_readable)


def read_moments(
    frames: FrameStore, plateaus: list[Plateau], reader: TextReader, content_box: Box | None = None
) -> list[Moment]:
    """Return the moments in order, each with the text inside `content_box`."""
    moments = []
    for plateau in plateaus:
        chosen = _frames_of(frames, plateau)
        starts = [plateau.first, *(before + 1 for before in chosen[:-1])]
        for start, end, frame in zip(starts, [*chosen[:-1], plateau.last], chosen, strict=True):
            lines = read_frame(frames, frame, reader)
            if content_box is not None:
                lines = tuple(line for line in lines if is_inside(content_box, line.center))
            moments.append(Moment(start, end, frame, lines))
    return moments


def read_frame(frames: FrameStore, frame: int, reader: TextReader) -> tuple[Line, ...]:
    """Return the lines of a frame that is kept large, in pixels of the recording."""
    lines = reader.read(frames.picture(frame))
    limit = _STATUS_BAR_SHARE * frames.height
    scaled = (line.scaled(frames.reading_scale) for line in lines)
    # What cannot be read in a status bar is its icons.
    return tuple(line for line in scaled if line.is_readable or line.center[1] > limit)


def _frames_of(frames: FrameStore, plateau: Plateau) -> list[int]:
    """Return the frames of a still stretch whose pictures differ a little, in order; at least its last.

    Of a run of changes in the same rows, such as letters that are typed, only the end counts.
    """
    kept = frames.pictures_between(plateau.first, plateau.last)
    if not kept:
        return [frames.picture_index(plateau.last)]
    chosen = [kept[-1]]
    rows = None
    for frame in reversed(kept[:-1]):
        changed = differing(frames.luma(frame), frames.luma(chosen[0]))
        if np.count_nonzero(changed) <= _LITTLE_SHARE * changed.size:
            continue
        span = _rows_of(changed)
        if rows is not None and frame != kept[0] and _overlap(span, rows):
            continue
        chosen.insert(0, frame)
        rows = span
    if len(chosen) > _MAX_PER_PLATEAU:
        places = np.linspace(0, len(chosen) - 1, _MAX_PER_PLATEAU).round().astype(int)
        chosen = [chosen[place] for place in places.tolist()]
    return chosen


def _rows_of(changed: NDArray[np.bool_]) -> tuple[int, int]:
    rows = np.flatnonzero(changed.any(axis=1))
    return int(rows[0]), int(rows[-1])


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
