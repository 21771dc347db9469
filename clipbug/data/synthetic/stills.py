"""Single screens for image questions, their properties spread evenly."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from clipbug.data.synthetic.plan import spread
from clipbug.data.synthetic.pools import Pool
from clipbug.data.synthetic.screen import KINDS, PLACES, DialogKind, Kind, Screen
from clipbug.data.synthetic.style import Style, draw_style
from clipbug.data.synthetic.writing import Writer, counter

DIALOGS: tuple[DialogKind, ...] = ("information", "error", "confirm", "permission")
LIST_LENGTHS = (1, 2, 3, 4)


def draw_stills(count: int, pool: Pool, generator: np.random.Generator) -> Iterator[tuple[Screen, Style]]:
    """Screens of as many different apps. A third has a dialog, and half of the forms the keyboard."""
    kinds: tuple[Kind, ...] = (*KINDS, "list")  # lists twice: only they have items to count
    columns = zip(
        spread(kinds, count, generator),
        spread(PLACES, count, generator),
        spread((True, False), count, generator),
        spread((True, True, False), count, generator),
        spread((True, False, False), count, generator),
        spread(DIALOGS, count, generator),
        spread(LIST_LENGTHS, count, generator),
        spread((True, False), count, generator),
        strict=True,
    )
    for kind, place, is_dark, has_tabs, has_dialog, dialog, length, has_keyboard in columns:
        writer = Writer(pool, generator)
        style = draw_style(pool, generator, is_dark=is_dark)
        num_rows = length if kind == "list" else None
        screen = writer.screen(kind, place, num_rows=num_rows, has_tabs=has_tabs)
        if has_dialog:
            screen = replace(screen, dialog=dialog, message=writer.phrases(1)[0])
        elif has_keyboard:
            screen = _with_keyboard(screen, writer)
        yield screen, style


def _with_keyboard(screen: Screen, writer: Writer) -> Screen:
    """The screen while something is typed, into its first field or into a search field."""
    screen = replace(screen, focus=(0, writer.word()), has_keyboard=True)
    if screen.kind == "form":
        return screen
    if screen.kind == "list":  # of the rows, only those above the keyboard are sure to show
        screen = replace(screen, labels=screen.labels[:1], counter=counter(1))
    return replace(screen, has_search=True)
