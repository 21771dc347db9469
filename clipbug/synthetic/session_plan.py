"""Plan recordings with evenly distributed events, so that answers cannot be guessed from the questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np

from clipbug.synthetic.drawing import DotColor
from clipbug.synthetic.screen import KINDS, POSITIONS, Kind, Position

Outcome = Literal[
    "done",
    "confirm",
    "permission",
    "error message",
    "crash",
    "blank page",
    "endless spinner",
    "frozen button",
    "overlapping text",
    "wrong counter",
    "duplicate item",
]
Direction = Literal["up", "down"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
NO_PROBLEM: frozenset[Outcome] = frozenset(("done", "confirm", "permission"))
FRAME_RATES = (10, 12, 15)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """The decisions behind one recording.

    Attributes:
        outcome: result of the last tap.
        end_kind: kind of the screen after it, if the outcome has one.
        first_position: third of the screen for the first tap, if it has an element to tap.
        scroll: direction in which the content is scrolled.
    """

    outcome: Outcome
    start_kind: Kind
    end_kind: Kind
    dot: DotColor
    button_position: Position
    first_position: Position
    scroll: Direction | None
    is_typed: bool
    is_dark: bool
    has_tabs: bool
    fps: int


def spread(options: Sequence[T], count: int, generator: np.random.Generator) -> list[T]:
    """Return `count` options in random order, each equally often to within one."""
    first = generator.permutation(len(options)).tolist()
    chosen = [options[first[index % len(options)]] for index in range(count)]
    return [chosen[index] for index in generator.permutation(count).tolist()]


def plan_recordings(count: int, generator: np.random.Generator) -> list[RecordingPlan]:
    """Return plans whose decisions are independent of each other and each evenly distributed."""
    directions: tuple[Direction | None, ...] = ("up", "down", None, None)
    dots: tuple[DotColor, ...] = get_args(DotColor)
    columns = zip(
        spread(OUTCOMES, count, generator),
        spread(KINDS, count, generator),
        spread(KINDS, count, generator),
        spread(dots, count, generator),
        spread(POSITIONS, count, generator),
        spread(POSITIONS, count, generator),
        spread(directions, count, generator),
        spread((True, False), count, generator),
        spread((True, False), count, generator),
        spread((True, False), count, generator),
        spread(FRAME_RATES, count, generator),
        strict=True,
    )
    return [RecordingPlan(*column) for column in columns]
