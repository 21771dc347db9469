"""Draw screenshots for image questions, with evenly distributed properties."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from clipbug.synthetic.drawing import draw_screen, draw_spinner
from clipbug.synthetic.pools import Pool
from clipbug.synthetic.screen import KINDS, POSITIONS, DialogKind, Fault, Kind, Screen
from clipbug.synthetic.session_plan import spread
from clipbug.synthetic.style import Style, draw_style
from clipbug.synthetic.writing import Writer, counter

State = Literal["plain", "dialog", "keyboard", "fault"]

STATES: tuple[State, ...] = ("plain",) * 4 + ("dialog",) * 3 + ("keyboard",) * 2 + ("fault",) * 2
LIST_LENGTHS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Still:
    """A screenshot as a user would attach it to a bug report.

    Attributes:
        image: (H, W, 3) uint8, RGB.
    """

    screen: Screen
    style: Style
    image: NDArray[np.uint8]


def draw_stills(count: int, pool: Pool, generator: np.random.Generator) -> Iterator[Still]:
    """Yield screenshots of `count` different apps; some have a dialog, the keyboard or a bug."""
    kinds: tuple[Kind, ...] = (*KINDS, "list")  # lists twice, as only they have items to count
    columns = zip(
        spread(kinds, count, generator),
        spread(POSITIONS, count, generator),
        spread((True, False), count, generator),
        spread((True, True, False), count, generator),
        spread(STATES, count, generator),
        spread(get_args(DialogKind), count, generator),
        spread(get_args(Fault), count, generator),
        spread(LIST_LENGTHS, count, generator),
        strict=True,
    )
    for kind, position, is_dark, has_tabs, state, dialog, fault, length in columns:
        writer = Writer(pool, generator)
        style = draw_style(pool, generator, is_dark=is_dark)
        num_rows = length if kind == "list" else None
        screen = writer.screen(kind, position, num_rows=num_rows, has_tabs=has_tabs)
        yield _still(_in_state(screen, state, dialog, fault, writer), style, generator)


def _in_state(screen: Screen, state: State, dialog: DialogKind, fault: Fault, writer: Writer) -> Screen:
    if state == "dialog":
        return replace(screen, dialog=dialog, message=writer.phrases(1)[0])
    if state == "fault":
        return replace(screen, fault=fault)
    return _with_keyboard(screen, writer) if state == "keyboard" else screen


def _with_keyboard(screen: Screen, writer: Writer) -> Screen:
    """Return the screen while text is typed into its first field or into a search field."""
    screen = replace(screen, focus=(0, writer.word()), has_keyboard=True)
    if screen.kind == "form":
        return screen
    if screen.kind == "list":  # the keyboard may hide the other rows
        screen = replace(screen, labels=screen.labels[:1], counter=counter(1))
    return replace(screen, has_search=True)


def _still(screen: Screen, style: Style, generator: np.random.Generator) -> Still:
    image = draw_screen(screen, style).image
    if screen.fault == "endless spinner":
        draw_spinner(image, style, float(generator.uniform(0, 360)))
    return Still(screen, style, image)
