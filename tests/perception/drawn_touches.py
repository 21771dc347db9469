"""Recordings drawn in a test: a page, what the app does to it, and touch marks at known times and places."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import FrameStore, Picture

WIDTH, HEIGHT = 360, 640
Draw = Callable[[Picture, float], None]


def page(*, dark: bool = False, title: str = "Settings") -> Picture:
    """Return a page with a bar, rows with labels, and lines between them."""
    picture = np.full((HEIGHT, WIDTH, 3), 32 if dark else 248, np.uint8)
    ink = (230, 230, 230) if dark else (40, 40, 40)
    cv2.rectangle(picture, (0, 0), (WIDTH, 56), (40, 90, 160), -1)
    cv2.putText(picture, title, (20, 36), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
    for row, label in enumerate(("Notifications", "Storage", "Privacy", "Account", "Language", "About")):
        top = 90 + row * 85
        cv2.putText(picture, label, (24, top + 30), cv2.FONT_HERSHEY_SIMPLEX, 0.7, ink, 1, cv2.LINE_AA)
        cv2.line(picture, (0, top + 60), (WIDTH, top + 60), (150, 150, 150), 1)
    return picture


@dataclass
class Recording:
    """A `FrameSource` of drawn frames: `background` with each of `layers` drawn over it at each time."""

    background: Picture = field(default_factory=page)
    layers: list[Draw] = field(default_factory=list)
    fps: float = 20.0
    duration_seconds: float = 4.0

    @property
    def width(self) -> int:
        return self.background.shape[1]

    @property
    def height(self) -> int:
        return self.background.shape[0]

    def frames(self, size: tuple[int, int]) -> Iterator[tuple[float, Picture]]:
        for index in range(round(self.duration_seconds * self.fps)):
            picture = self.background.copy()
            for draw in self.layers:
                draw(picture, index / self.fps)
            yield index / self.fps, cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)

    def store(self) -> FrameStore:
        return FrameStore(self)


def blended(picture: Picture, mask: NDArray[np.uint8], color: tuple[int, int, int], opacity: float) -> None:
    """Lay a colour over the masked part."""
    weight = (mask.astype(np.float32) / 255 * opacity)[..., None]
    picture[:] = (picture * (1 - weight) + np.array(color, np.float32) * weight).astype(np.uint8)


def disc(
    picture: Picture,
    x: float,
    y: float,
    color: tuple[int, int, int],
    radius: float = 18,
    opacity: float = 0.6,
) -> None:
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.circle(mask, (round(x), round(y)), round(radius), 255, -1, cv2.LINE_AA)
    blended(picture, mask, color, opacity)


def ring(picture: Picture, x: float, y: float, color: tuple[int, int, int], radius: float = 16) -> None:
    cv2.circle(picture, (round(x), round(y)), round(radius), color, 4, cv2.LINE_AA)


def arrow(picture: Picture, x: float, y: float) -> None:
    """Draw a mouse pointer whose tip is at (x, y)."""
    outline = [(0, 0), (0, 24), (6, 19), (10, 28), (14, 26), (10, 18), (18, 18)]
    points = np.array(outline) + np.array([round(x), round(y)])
    cv2.fillPoly(picture, [points.astype(np.int32)], (0, 0, 0), cv2.LINE_AA)
    cv2.polylines(picture, [points.astype(np.int32)], True, (255, 255, 255), 1, cv2.LINE_AA)


def during(start: float, end: float, draw: Callable[[Picture], None]) -> Draw:
    """Return a layer that is drawn from `start` to before `end`."""

    def layer(picture: Picture, seconds: float) -> None:
        if start - 1e-6 <= seconds < end - 1e-6:
            draw(picture)

    return layer
