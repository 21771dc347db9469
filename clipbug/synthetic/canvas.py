"""Draw boxes, discs, lines and text on an image."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.synthetic.pools import Color

Align = Literal["left", "center", "right"]
CAPITAL_HEIGHT_AT_SCALE_ONE = 21.0


class Rect(NamedTuple):
    """A box of the pixels left <= x < right, top <= y < bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Return the width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return self.bottom - self.top

    @property
    def center(self) -> tuple[int, int]:
        """Return the center as (x, y)."""
        return (self.left + self.right) // 2, (self.top + self.bottom) // 2

    def inset(self, pixels: int) -> "Rect":
        """Return the box shrunk on all sides."""
        return Rect(self.left + pixels, self.top + pixels, self.right - pixels, self.bottom - pixels)

    def shifted(self, down: int) -> "Rect":
        """Return the box moved down."""
        return Rect(self.left, self.top + down, self.right, self.bottom + down)


class Canvas:
    """An image to draw on.

    Args:
        image: (H, W, 3) uint8, RGB; modified in place.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.image = image

    def box(self, rect: Rect, color: Color, radius: int = 0) -> None:
        """Fill a box, with round corners if `radius` is given."""
        left, top, right, bottom = rect.left, rect.top, rect.right - 1, rect.bottom - 1
        radius = max(0, min(radius, (right - left) // 2, (bottom - top) // 2))
        cv2.rectangle(self.image, (left + radius, top), (right - radius, bottom), color, cv2.FILLED)
        if radius:
            cv2.rectangle(self.image, (left, top + radius), (right, bottom - radius), color, cv2.FILLED)
            for x in (left + radius, right - radius):
                for y in (top + radius, bottom - radius):
                    self.disc((x, y), radius, color)

    def bordered_box(
        self, rect: Rect, fill: Color, border: Color, radius: int = 0, *, thickness: int = 1
    ) -> None:
        """Fill a box and draw a border inside its edge."""
        self.box(rect, border, radius)
        self.box(rect.inset(thickness), fill, max(0, radius - thickness))

    def disc(self, center: tuple[int, int], radius: int, color: Color) -> None:
        """Fill a circle."""
        cv2.circle(self.image, center, radius, color, cv2.FILLED, cv2.LINE_AA)

    def ring(self, center: tuple[int, int], radius: int, color: Color, thickness: int) -> None:
        """Draw the outline of a circle."""
        cv2.circle(self.image, center, radius, color, thickness, cv2.LINE_AA)

    def arc(
        self, center: tuple[int, int], radius: int, angles: tuple[float, float], color: Color, width: int
    ) -> None:
        """Draw an arc of a circle between two angles in degrees."""
        cv2.ellipse(self.image, center, (radius, radius), 0, angles[0], angles[1], color, width, cv2.LINE_AA)

    def line(self, points: Sequence[tuple[int, int]], color: Color, thickness: int = 1) -> None:
        """Draw straight lines between consecutive points."""
        cv2.polylines(self.image, [np.array(points, np.int32)], False, color, thickness, cv2.LINE_AA)

    def polygon(self, points: Sequence[tuple[int, int]], color: Color) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self.image, [np.array(points, np.int32)], color, cv2.LINE_AA)

    def shade(self, rect: Rect, color: Color, share: float) -> None:
        """Blend a box with `share` of a colour."""
        view = self.image[max(rect.top, 0) : max(rect.bottom, 0), max(rect.left, 0) : max(rect.right, 0)]
        if view.size:
            view[:] = cv2.addWeighted(view, 1 - share, np.full_like(view, color), share, 0)

    def text(
        self,
        text: str,
        anchor: tuple[int, int],
        color: Color,
        *,
        height: int = 7,
        bold: bool = False,
        align: Align = "left",
        max_width: int = 1000,
    ) -> int:
        """Draw one line of text, vertically centered at the anchor.

        Args:
            text: the text; if it is wider than `max_width`, it is cut and ends in two dots.
            anchor: (x, y) of the left end, center or right end, depending on `align`.
            color: colour of the text.
            height: height of capitals in pixels.
            bold: use a bold font.
            align: horizontal alignment.
            max_width: maximum width in pixels.

        Returns:
            The width of the text in pixels.
        """
        font, scale = _font(bold), height / CAPITAL_HEIGHT_AT_SCALE_ONE
        text = _fit(text, font, scale, max_width)
        width = _width(text, font, scale)
        left = anchor[0] - {"left": 0, "center": width // 2, "right": width}[align]
        origin = (left, anchor[1] + height // 2)
        cv2.putText(self.image, text, origin, font, scale, color, 1, cv2.LINE_AA)
        return width


def _font(bold: bool) -> int:
    return cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX


def _width(text: str, font: int, scale: float) -> int:
    (width, _), _ = cv2.getTextSize(text, font, scale, 1)
    return int(width)


def _fit(text: str, font: int, scale: float, max_width: int) -> str:
    if _width(text, font, scale) <= max_width:
        return text
    while text and _width(text + "..", font, scale) > max_width:
        text = text[:-1]
    return text + ".."
