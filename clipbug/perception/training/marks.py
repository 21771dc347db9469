"""Touch marks and mouse pointers, drawn over small pictures."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from clipbug.perception.frames import Picture

MarkKind = Literal["disc", "ring", "rimmed", "soft", "target", "ripple", "crosshair", "hand"]

_SHIFT = 4  # fractional bits of cv2's drawing functions
_KINDS: tuple[MarkKind, ...] = ("disc", "ring", "rimmed", "soft", "target", "ripple", "crosshair", "hand")
_KIND_SHARES = (0.25, 0.19, 0.2, 0.06, 0.04, 0.13, 0.05, 0.08)
_COLORS = (
    *((128, 128, 128), (150, 150, 150), (90, 90, 90), (200, 200, 200), (255, 255, 255), (255, 255, 255)),
    *((0, 0, 0), (20, 20, 20), (230, 50, 45), (225, 60, 60), (40, 120, 230), (50, 140, 255)),
    *((60, 180, 75), (255, 150, 30), (150, 60, 200), (250, 220, 60), (90, 210, 230)),
)
_SKINS = ((141, 85, 56), (198, 134, 96), (224, 172, 135), (241, 194, 165), (92, 60, 42), (255, 255, 255))
_ARROW = ((0, 0), (0, 16), (4, 12.5), (6.5, 18.5), (9, 17.4), (6.6, 11.7), (11.5, 11.5))
_POINTING = (
    *((0, 0), (2, 0.6), (2.2, 7), (9, 8.6), (10.5, 10.5), (10, 18), (0, 18), (-6, 11), (-5, 9.4)),
    *((-2.2, 11.4), (-2.2, 0.8)),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One indicator: the same for all touches of a recording.

    Attributes:
        radius: small pixels.
        fill, rim: RGB.
        fill_opacity, rim_opacity: 0 to 1.
        thickness: of the rim.
        turn: degrees of a hand; a mark of its own for each seed.
    """

    kind: MarkKind
    radius: float
    fill: tuple[float, ...]
    rim: tuple[float, ...]
    fill_opacity: float
    rim_opacity: float
    thickness: float
    turn: float


def random_mark(rng: Generator) -> Mark:
    """Return an indicator: 8 to 80 pixels wide in a recording that is 360 pixels wide."""
    kind = _KINDS[rng.choice(len(_KINDS), p=_KIND_SHARES)]
    radius = (
        float(np.exp(rng.uniform(np.log(2.6), np.log(21)))) if rng.random() < 0.45 else rng.uniform(4, 13)
    )
    if kind in ("ring", "rimmed", "ripple"):
        radius = max(radius, 4.0)
    fill, rim = _color(rng), _color(rng)
    if rng.random() < 0.4:
        rim = fill
    return Mark(
        kind=kind,
        radius=radius,
        fill=fill,
        rim=rim,
        fill_opacity=rng.uniform(0.3, 1.0),
        rim_opacity=rng.uniform(0.5, 1.0),
        thickness=rng.uniform(0.8, 2.8),
        turn=rng.uniform(-30, 30),
    )


def draw_mark(
    picture: Picture, mark: Mark, x: float, y: float, opacity: float = 1.0, age: float = 0.0
) -> None:
    """Draw a mark into the picture (h, w, 3).

    Args:
        picture: changed in place.
        mark: what to draw.
        x, y: its middle; of a hand, its fingertip.
        opacity: less than 1 while it fades.
        age: 0 to 1; ripples grow with it.
    """
    radius = mark.radius
    match mark.kind:
        case "disc":
            _fill(picture, x, y, radius, mark.fill, mark.fill_opacity * opacity)
        case "ring":
            if mark.fill_opacity < 0.55:
                _fill(picture, x, y, radius, mark.rim, 0.25 * opacity)
            _ring(picture, x, y, radius, mark.thickness, mark.rim, mark.rim_opacity * opacity)
        case "rimmed":
            _fill(picture, x, y, radius, mark.fill, mark.fill_opacity * 0.8 * opacity)
            _ring(picture, x, y, radius, mark.thickness * 0.7, mark.rim, mark.rim_opacity * opacity)
        case "soft":
            for share in (1.2, 1.0, 0.8, 0.6, 0.4):
                _fill(picture, x, y, radius * share, mark.fill, 0.35 * mark.fill_opacity * opacity)
        case "target":
            _fill(picture, x, y, radius * 0.45, mark.fill, mark.fill_opacity * opacity)
            _ring(picture, x, y, radius, mark.thickness, mark.rim, mark.rim_opacity * opacity)
        case "ripple":
            _ripple(picture, mark, x, y, opacity, age)
        case "crosshair":
            _crosshair(picture, mark, x, y, opacity)
        case "hand":
            _hand(picture, mark, x, y, opacity)


def draw_pointer(picture: Picture, x: float, y: float, height: float, dark: bool, pointing: bool) -> None:
    """Draw a mouse pointer whose tip is at (x, y): an arrow, or a hand with a finger."""
    points = np.array(_POINTING if pointing else _ARROW) * (height / 18.5) + (x, y)
    inside, edge = ((15, 15, 15), (250, 250, 250)) if dark else ((250, 250, 250), (20, 20, 20))
    fixed = np.round(points * 2**_SHIFT).astype(np.int32)
    cv2.polylines(picture, [fixed], True, edge, 2 if height > 14 else 1, cv2.LINE_AA, _SHIFT)
    cv2.fillPoly(picture, [fixed], inside, cv2.LINE_AA, _SHIFT)


def _color(rng: Generator) -> tuple[float, ...]:
    color = np.array(_COLORS[rng.integers(len(_COLORS))]) + rng.integers(-22, 23, 3)
    return tuple(float(value) for value in np.clip(color, 0, 255))


def _fill(
    picture: Picture, x: float, y: float, radius: float, color: tuple[float, ...], opacity: float
) -> None:
    _blend(picture, x, y, radius, -1, color, opacity)


def _ring(
    picture: Picture,
    x: float,
    y: float,
    radius: float,
    thickness: float,
    color: tuple[float, ...],
    opacity: float,
) -> None:
    _blend(picture, x, y, radius, max(1, round(thickness)), color, opacity * min(1.0, thickness))


def _blend(
    picture: Picture,
    x: float,
    y: float,
    radius: float,
    thickness: int,
    color: tuple[float, ...],
    opacity: float,
) -> None:
    reach = int(radius + max(thickness, 1) + 2)
    left, top = max(0, int(x) - reach), max(0, int(y) - reach)
    part = picture[top : int(y) + reach + 2, left : int(x) + reach + 2]
    if part.size == 0 or opacity <= 0 or x < -reach or y < -reach:
        return
    mask = np.zeros(part.shape[:2], np.uint8)
    center = round((x - left) * 2**_SHIFT), round((y - top) * 2**_SHIFT)
    cv2.circle(mask, center, max(1, round(radius * 2**_SHIFT)), 255, thickness, cv2.LINE_AA, _SHIFT)
    _lay(part, mask, color, opacity)


def _lay(part: Picture, mask: NDArray[np.uint8], color: tuple[float, ...], opacity: float) -> None:
    weight = mask[..., None] * np.float32(min(opacity, 1.0) / 255)
    part[:] = part + (np.array(color, np.float32) - part) * weight


def _ripple(picture: Picture, mark: Mark, x: float, y: float, opacity: float, age: float) -> None:
    """Draw growing, fading circles round a dot that fades first."""
    if age < 0.6:
        _fill(picture, x, y, mark.radius * 0.55, mark.fill, mark.fill_opacity * opacity * (1 - age))
    for lag in (0.0, 0.25):
        grown = age - lag if lag else age
        if grown < -0.1 or (lag and mark.turn < 0):
            continue
        radius = mark.radius * (0.6 + 1.2 * max(grown, 0.0))
        _ring(picture, x, y, radius, mark.thickness, mark.fill, mark.rim_opacity * opacity * (1 - 0.8 * age))


def _crosshair(picture: Picture, mark: Mark, x: float, y: float, opacity: float) -> None:
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.line(mask, (0, round(y)), (width, round(y)), 255, 1)
    cv2.line(mask, (round(x), 0), (round(x), height), 255, 1)
    _lay(picture, mask, mark.rim, opacity * max(0.5, mark.rim_opacity))


def _hand(picture: Picture, mark: Mark, x: float, y: float, opacity: float) -> None:
    """Draw a finger from its tip down to the fist."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    half = max(2.5, mark.radius * 0.45)
    direction = np.array([np.sin(np.radians(mark.turn)), np.cos(np.radians(mark.turn))])
    tip = np.array([x, y]) + direction * half
    knuckle = tip + direction * half * 4.5
    _line(mask, tip, knuckle, 2 * half)
    side = np.array([direction[1], -direction[0]])
    for step in (0.0, 1.6, 3.0):
        _line(
            mask, knuckle + side * half * step, knuckle + side * half * step + direction * half * 4, 2 * half
        )
    skin = np.array(_SKINS[int(abs(mark.turn) * 7) % len(_SKINS)], float)
    _lay(
        picture,
        cv2.dilate(mask, np.ones((2, 2), np.uint8)).astype(np.uint8),
        tuple(skin * 0.55),
        opacity * 0.9,
    )
    _lay(picture, mask, tuple(skin), opacity)
    if mark.fill_opacity > 0.45:
        nail = tip - direction * half * 0.2
        _fill(picture, float(nail[0]), float(nail[1]), half * 0.55, (240.0, 220.0, 205.0), 0.9 * opacity)


def _line(
    mask: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], thickness: float
) -> None:
    points = [tuple(int(value) for value in np.round(point * 2**_SHIFT)) for point in (start, end)]
    cv2.line(mask, points[0], points[1], 255, max(1, round(thickness)), cv2.LINE_AA, _SHIFT)
