"""What an app itself does to a screen: everything that the detector must not take for a touch."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from clipbug.perception.frames import Picture
from clipbug.perception.training.screens import draw_text, random_color

Change = Callable[[Picture, Picture, int, int, Generator], None]


def change_screen(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> Picture:
    """Return the picture after a change, most often a small one near (x, y).

    Args:
        picture, other: (h, w, 3) of one size; `other` is the screen that may come next.
    """
    changed = picture.copy()
    height, width = picture.shape[:2]
    if rng.random() < 0.35:
        x, y = int(rng.integers(width)), int(rng.integers(height))
    share = rng.random()
    if share < 0.26:
        _show_other(changed, other, rng)
    else:
        _SMALL[rng.integers(len(_SMALL))](
            changed, other, min(max(x, 0), width - 1), min(max(y, 0), height - 1), rng
        )
    return changed


def _show_other(picture: Picture, other: Picture, rng: Generator) -> None:
    """Cut, fade, slide or dim to the next screen."""
    width = picture.shape[1]
    height = picture.shape[0]
    match int(rng.integers(5)):
        case 0:
            picture[:] = other
        case 1:
            picture[:] = cv2.addWeighted(
                picture, float(share := rng.uniform(0.1, 0.9)), other, 1 - float(share), 0
            )
        case 2:
            edge = int(rng.uniform(0.1, 0.9) * width)
            picture[:, edge:] = other[:, : width - edge]
        case 3:
            edge = int(rng.uniform(0.1, 0.9) * height)
            picture[edge:] = other[: height - edge]
        case _:
            picture[:] = (picture * rng.uniform(0.3, 0.9)).astype(np.uint8)


def _dialog(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    height, width = picture.shape[:2]
    wide, tall = int(rng.integers(40, width)), int(rng.integers(20, height - 10))
    left, top = int(rng.integers(width - wide)), int(rng.integers(height - tall))
    if rng.random() < 0.5:
        picture[:] = (picture * rng.uniform(0.3, 0.8)).astype(np.uint8)
    part = picture[top : top + tall, left : left + wide]
    share = rng.uniform(0.3, 1) if rng.random() < 0.4 else 1.0
    part[:] = (part * (1 - share) + other[:tall, :wide] * share).astype(np.uint8)
    cv2.rectangle(picture, (left, top), (left + wide, top + tall), random_color(rng), 1)


def _press(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    """Light up a row or button."""
    wide, tall = int(rng.integers(10, picture.shape[1])), int(rng.integers(8, 34))
    left, top = max(0, x - int(rng.integers(wide))), max(0, y - int(rng.integers(tall)))
    if rng.random() < 0.4:
        left, wide = 0, picture.shape[1]
    part = picture[top : top + tall, left : left + wide]
    share = rng.uniform(0.08, 0.9)
    part[:] = (part * (1 - share) + np.array(random_color(rng)) * share).astype(np.uint8)
    if rng.random() < 0.3:
        draw_text(picture, rng, left + 4, top + tall // 2 + 3, random_color(rng))


def _ripple(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    """Fill part of a row with a growing circle that ends at its edges."""
    wide, tall = int(rng.integers(14, picture.shape[1])), int(rng.integers(8, 26))
    left, top = max(0, x - int(rng.integers(wide))), max(0, y - int(rng.integers(tall)))
    part = picture[top : top + tall, left : left + wide]
    mask = np.zeros(part.shape[:2], np.float32)
    cv2.circle(mask, (x - left, y - top), int(rng.integers(tall // 2 + 3, 60)), 1, -1, cv2.LINE_AA)
    weight = (mask * rng.uniform(0.05, 0.35))[..., None]
    part[:] = (part * (1 - weight) + np.array(random_color(rng)) * weight).astype(np.uint8)


def _toggle(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    half, knob = int(rng.integers(4, 8)), int(rng.integers(4, 8))
    color = random_color(rng)
    cv2.rectangle(picture, (x - half, y - half), (x + half, y + half), color, -1)
    for side in (-half, half):
        cv2.circle(picture, (x + side, y), half, color, -1, cv2.LINE_AA)
    inside = random_color(rng) if rng.random() < 0.4 else (255, 255, 255)
    cv2.circle(picture, (x + int(rng.choice([-half, half])), y), knob, inside, -1, cv2.LINE_AA)


def _icon(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    """Show a round button, avatar or badge."""
    radius, ink = int(rng.integers(4, 22)), random_color(rng)
    cv2.circle(picture, (x, y), radius, random_color(rng), -1, cv2.LINE_AA)
    half = max(1, radius // 2)
    match int(rng.integers(5)):
        case 0:
            cv2.line(picture, (x - half, y), (x + half, y), ink, int(rng.integers(1, 3)))
            cv2.line(picture, (x, y - half), (x, y + half), ink, int(rng.integers(1, 3)))
        case 1:
            letter = chr(int(rng.integers(ord("A"), ord("Z") + 1)))
            cv2.putText(picture, letter, (x - half, y + half), 0, radius / 20, ink, 1, cv2.LINE_AA)
        case 2:
            _tick(picture, x, y, half, ink, rng)
        case 3:
            kind = int(rng.choice([-1, 1]))
            cv2.rectangle(picture, (x - half, y - half), (x + half, y + half), ink, kind)
        case _:
            part = picture[max(0, y - radius) : y + radius, max(0, x - radius) : x + radius]
            mask = np.zeros(part.shape[:2], np.uint8)
            cv2.circle(mask, (part.shape[1] // 2, part.shape[0] // 2), radius, 1, -1)
            np.copyto(part, other[: part.shape[0], : part.shape[1]], where=mask[..., None] > 0)


def _check(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    """Mark a check box or radio button."""
    half, ink = int(rng.integers(3, 10)), random_color(rng)
    kind = int(rng.choice([-1, 1]))
    if rng.random() < 0.5:
        cv2.circle(picture, (x, y), half + 2, ink, 1, cv2.LINE_AA)
        if rng.random() < 0.5:
            cv2.circle(picture, (x, y), max(1, half // 2), ink, -1, cv2.LINE_AA)
            return
    else:
        cv2.rectangle(picture, (x - half, y - half), (x + half, y + half), ink, kind)
    _tick(picture, x, y, half, random_color(rng), rng)


def _spinner(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    radius, start = int(rng.integers(4, 18)), float(rng.uniform(0, 360))
    end = start + rng.uniform(60, 300)
    thickness = int(rng.integers(1, 4))
    if rng.random() < 0.3:
        for angle in np.arange(0, 2 * np.pi, np.pi / 4):
            point = round(x + radius * np.cos(angle)), round(y + radius * np.sin(angle))
            cv2.circle(picture, point, thickness, random_color(rng), -1, cv2.LINE_AA)
        return
    cv2.ellipse(picture, (x, y), (radius, radius), 0, start, end, random_color(rng), thickness, cv2.LINE_AA)


def _text(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    draw_text(picture, rng, x, y, random_color(rng), int(rng.integers(1, 3)))


def _letter(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    """Type a letter, or show a caret."""
    ink = (20, 20, 20) if picture[y, x].mean() > 128 else (235, 235, 235)
    if rng.random() < 0.4:
        color = ink if rng.random() < 0.5 else random_color(rng)
        cv2.line(picture, (x, y), (x, y - int(rng.integers(6, 16))), color, int(rng.integers(1, 3)))
        return
    letters = "".join(chr(int(code)) for code in rng.integers(ord("a"), ord("z") + 1, rng.integers(1, 4)))
    cv2.putText(picture, letters, (x, y), 0, rng.uniform(0.22, 0.6), ink, 1, cv2.LINE_AA)


def _key(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    """Show the bubble of a key, or darken the key."""
    wide, tall = int(rng.integers(7, 14)), int(rng.integers(10, 26))
    cv2.rectangle(picture, (x, y), (x + wide, y + tall), random_color(rng), -1)
    cv2.putText(
        picture, chr(int(rng.integers(65, 91))), (x + 2, y + 10), 0, 0.35, (30, 30, 30), 1, cv2.LINE_AA
    )


def _film(picture: Picture, other: Picture, x: int, y: int, rng: Generator) -> None:
    """Move the picture of a film or photograph in a part of the page."""
    wide, tall = int(rng.integers(20, 90)), int(rng.integers(20, 70))
    left, top = max(0, x - wide // 2), max(0, y - tall // 2)
    part = picture[top : top + tall, left : left + wide]
    part[:] = np.roll(other[: part.shape[0], : part.shape[1]], int(rng.integers(12)), int(rng.integers(2)))


def _tick(picture: Picture, x: int, y: int, half: int, ink: tuple[int, int, int], rng: Generator) -> None:
    points = np.array([[x - half // 2, y], [x - half // 6, y + half // 2], [x + half // 2, y - half // 2]])
    cv2.polylines(picture, [points], False, ink, int(rng.integers(1, 3)), cv2.LINE_AA)


_SMALL: tuple[Change, ...] = (
    *(_dialog, _press, _press, _press, _ripple, _toggle, _toggle, _icon, _icon, _check, _check),
    *(_spinner, _text, _text, _letter, _letter, _letter, _key, _film),
)
