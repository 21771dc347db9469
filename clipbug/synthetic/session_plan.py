"""What happens in each recording, spread evenly so that no answer can be guessed from the question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np

from clipbug.synthetic.drawing import DotColor
from clipbug.synthetic.screen import KINDS, PLACES, Kind, Place

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
        outcome: what the last tap leads to.
        end_kind: the screen after it, where the outcome allows one.
        first_place: where the first tap should be, if something there can be tapped.
        scroll: where the content is scrolled to.
    """

    outcome: Outcome
    start_kind: Kind
    end_kind: Kind
    dot: DotColor
    button_place: Place
    first_place: Place
    scroll: Direction | None
    is_typed: bool
    is_dark: bool
    has_tabs: bool
    fps: int


def spread(options: Sequence[T], count: int, generator: np.random.Generator) -> list[T]:
    """`count` of the options in random order, each equally often (give or take one)."""
    first = generator.permutation(len(options)).tolist()
    chosen = [options[first[index % len(options)]] for index in range(count)]
    return [chosen[index] for index in generator.permutation(count).tolist()]


def plan_recordings(count: int, generator: np.random.Generator) -> list[RecordingPlan]:
    """Plans whose decisions are each spread evenly and independent of each other."""
    directions: tuple[Direction | None, ...] = ("up", "down", None, None)
    dots: tuple[DotColor, ...] = get_args(DotColor)
    columns = zip(
        spread(OUTCOMES, count, generator),
        spread(KINDS, count, generator),
        spread(KINDS, count, generator),
        spread(dots, count, generator),
        spread(PLACES, count, generator),
        spread(PLACES, count, generator),
        spread(directions, count, generator),
        spread((True, False), count, generator),
        spread((True, False), count, generator),
        spread((True, False), count, generator),
        spread(FRAME_RATES, count, generator),
        strict=True,
    )
    return [RecordingPlan(*column) for column in columns]
