"""Fill screens with titles, rows and counters made from the words of a pool."""

from dataclasses import replace

import numpy as np

from clipbug.synthetic.pools import Pool
from clipbug.synthetic.screen import Kind, Position, Screen
from clipbug.synthetic.style import pick

NUM_ROWS: dict[Kind, tuple[int, ...]] = {
    "list": (3, 4),
    "form": (3,),
    "settings": (3, 4, 5),
    "gallery": (4, 5, 6),
}
NUM_ROWS_TO_SCROLL: dict[Kind, int] = {"list": 17, "form": 12, "settings": 17, "gallery": 24}
WRONG_COUNTERS = ("NaN items", "undefined", "-1 items")
MAX_CLOCK_HOUR = 24


class Writer:
    """A writer of the screens of one app; the labels on a screen are distinct."""

    def __init__(self, pool: Pool, generator: np.random.Generator) -> None:
        self._pool = pool
        self._generator = generator
        self.app_name = pick(generator, pool.app_names)
        self.clock = f"{generator.integers(MAX_CLOCK_HOUR)}:{generator.integers(60):02d}"
        self.tabs = self.phrases(3, words=1)

    def phrases(self, count: int, *, words: int = 2) -> tuple[str, ...]:
        """Return distinct labels of one or two words."""
        nouns, qualities = self._pool.nouns, self._pool.qualities
        if words == 1:
            return tuple(nouns[index] for index in self._generator.permutation(len(nouns))[:count])
        numbers = self._generator.permutation(len(nouns) * len(qualities))[:count]
        return tuple(f"{qualities[n % len(qualities)]} {nouns[n // len(qualities)]}" for n in numbers)

    def word(self) -> str:
        """Return a short text to type."""
        return pick(self._generator, self._pool.nouns).lower()

    def screen(
        self, kind: Kind, position: Position, *, num_rows: int | None = None, has_tabs: bool = True
    ) -> Screen:
        """Return a new screen; without `num_rows`, its random number of rows fits without scrolling."""
        count = pick(self._generator, NUM_ROWS[kind]) if num_rows is None else num_rows
        checked = np.flatnonzero(self._generator.random(count) < 0.4).tolist() if kind == "settings" else []
        return Screen(
            kind=kind,
            app_name=self.app_name,
            clock=self.clock,
            title=self.phrases(1)[0],
            labels=self.phrases(count),
            button=pick(self._generator, self._pool.verbs),
            button_position=position,
            tabs=self.tabs if has_tabs else (),
            selected_tab=int(self._generator.integers(3)),
            counter=counter(count),
            checked=frozenset(checked),
        )

    def with_new_row(self, screen: Screen, *, times: int) -> Screen:
        """Return the list with a new row repeated `times` times at the top; the counter counts it once."""
        new = self.phrases(1)[0]
        while new in screen.labels:
            new = self.phrases(1)[0]
        labels = (new,) * times + screen.labels
        return replace(screen, labels=labels, new_rows=times, counter=counter(len(screen.labels) + 1))

    def wrong_counter(self) -> str:
        """Return an incorrect counter of a list."""
        return pick(self._generator, WRONG_COUNTERS)


def counter(count: int) -> str:
    """Return the counter of a list."""
    return f"{count} items" if count > 1 else "1 item"
