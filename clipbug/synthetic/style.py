"""Random theme and layout of an app, sampled from a pool."""

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from clipbug.synthetic.pools import Color, Pool

SCREEN_WIDTH = 216
SCREEN_HEIGHT = 384
STATUS_HEIGHT = 16

Leading = Literal["circle", "square", "none"]
Separator = Literal["line", "card", "none"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of an app."""

    is_dark: bool
    accent: Color
    on_accent: Color
    background: Color
    surface: Color
    text: Color
    muted: Color
    outline: Color
    tints: tuple[Color, ...]

    def tint_of(self, label: str) -> Color:
        """Return the colour of a label, which is always the same."""
        return self.tints[sum(map(ord, label)) % len(self.tints)]


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes in pixels and other choices that distinguish apps."""

    bar_height: int
    row_height: int
    padding: int
    radius: int
    leading: Leading
    separator: Separator
    has_filled_bar: bool
    has_centered_title: bool
    has_tabs_below: bool
    num_columns: Literal[2, 3]


@dataclass(frozen=True, slots=True)
class Style:
    """Theme and layout of an app."""

    theme: Theme
    layout: Layout


def mix(first: Color, second: Color, share: float) -> Color:
    """Blend two colours, with `share` of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def pick(generator: np.random.Generator, options: tuple[T, ...]) -> T:
    """Return a random option."""
    return options[int(generator.integers(len(options)))]


def draw_style(pool: Pool, generator: np.random.Generator, *, is_dark: bool) -> Style:
    """Sample a theme and a layout from the pool."""
    return Style(_draw_theme(pool, generator, is_dark=is_dark), _draw_layout(pool, generator))


def _draw_theme(pool: Pool, generator: np.random.Generator, *, is_dark: bool) -> Theme:
    accent = pick(generator, pool.accents)
    background = pick(generator, pool.dark_backgrounds if is_dark else pool.light_backgrounds)
    text: Color = (232, 232, 236) if is_dark else (32, 33, 36)
    return Theme(
        is_dark=is_dark,
        accent=mix(accent, (255, 255, 255), 0.25) if is_dark else accent,
        on_accent=(16, 16, 18) if is_dark else (255, 255, 255),
        background=background,
        surface=mix(background, (255, 255, 255), 0.09) if is_dark else (255, 255, 255),
        text=text,
        muted=mix(text, background, 0.4),
        outline=mix(text, background, 0.75),
        tints=pool.tints,
    )


def _draw_layout(pool: Pool, generator: np.random.Generator) -> Layout:
    leading: tuple[Leading, ...] = ("circle", "square", "none")
    separators: tuple[Separator, ...] = ("line", "card", "none")
    columns: tuple[Literal[2, 3], ...] = (2, 3)
    return Layout(
        bar_height=pick(generator, pool.bar_heights),
        row_height=pick(generator, pool.row_heights),
        padding=pick(generator, pool.paddings),
        radius=pick(generator, pool.radii),
        leading=pick(generator, leading),
        separator=pick(generator, separators),
        has_filled_bar=pick(generator, (True, False)),
        has_centered_title=pick(generator, (True, False)),
        has_tabs_below=pick(generator, (True, False)),
        num_columns=pick(generator, columns),
    )
