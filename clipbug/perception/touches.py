"""Where a finger or a mouse touched: the marks that a recorder or system draws over the screen."""

from dataclasses import dataclass, field
from typing import Literal

from clipbug.perception.frames import FrameStore
from clipbug.perception.timeline import Indicator

TouchKind = Literal["tap", "double_tap", "long_press", "swipe"]
Point = tuple[float, float, float]
"""(seconds, x, y), in pixels of the recording."""


@dataclass(frozen=True, slots=True)
class Touch:
    """One touch, as its mark shows it.

    Attributes:
        time, end: seconds of its first and last frame.
        x, y: where it began, in pixels of the recording.
        path: where it went; at least its first point.
    """

    time: float
    end: float
    x: float
    y: float
    kind: TouchKind
    confidence: float
    path: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundTouches:
    """All touches of a recording, in order of time.

    Attributes:
        indicator: the kind of mark; "none" if the recording shows none.
        indicator_color: name of the mark's colour.
        pointer: the way of a mouse pointer, thinned out; empty if there is none.
    """

    touches: list[Touch] = field(default_factory=list)
    indicator: Indicator = "none"
    indicator_color: str | None = None
    pointer: tuple[Point, ...] = ()


def find_touches(frames: FrameStore) -> FoundTouches:
    """Return the touches whose marks are seen.

    Args:
        frames: the recording. Its small pictures (`frames.small(index)`, RGB, short side 192 or less) are
            there for every frame; multiply their pixels by `frames.scale` to get those of the recording.
    """
    return FoundTouches()
