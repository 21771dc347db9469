"""Screens to draw marks over: still frames of recordings and screenshots, and drawn ones."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.random import Generator

from clipbug.perception.frames import Picture, Sizes, share_changed

_STILL_SECONDS = 0.35
_STILL_SHARE = 0.0005
_WORDS = [
    "Home",
    "Settings",
    "Login",
    "Cancel",
    "OK",
    "Search",
    "Profile",
    "Add",
    "item",
    "Delete",
    "12:30",
    "Save",
    "$5.99",
    "Next",
    "Back",
    "Email",
    "Password",
    "About",
    "Name",
    "Total",
    "3",
    "Messages",
    "Cart",
    "Monday",
    "7",
    "Reply",
    "Archive",
    "Notes",
    "Today",
    "Done",
    "Edit",
    "Share",
    "Camera",
]


def read_screens(paths: Sequence[Path]) -> list[list[Picture]]:
    """Return the small pictures of each file, in order: a screenshot, or the still frames of a recording.

    Frames that stay for a while hold no touch mark, whatever the recorder draws.
    """
    return [screens for path in paths if (screens := _read(path))]


def drawn_screen(rng: Generator) -> Picture:
    """Return a page of drawn bars, labels, cards, icons and pictures."""
    height, width = ((341, 192), (400, 192), (192, 341))[rng.integers(3)]
    is_dark = rng.random() < 0.35
    base = rng.integers(0, 60, 3) if is_dark else rng.integers(200, 256, 3)
    page = np.full((height, width, 3), base, np.uint8)
    if rng.random() < 0.2:
        fade = np.linspace(0, 1, height)[:, None, None]
        page = (page * (1 - fade) + rng.integers(0, 256, 3) * fade).astype(np.uint8)
        page = np.ascontiguousarray(page)
    if rng.random() < 0.7:
        cv2.rectangle(page, (0, 0), (width, int(rng.integers(14, 40))), random_color(rng), -1)
    top = int(rng.integers(8, 45))
    while top < height - 10:
        tall = int(rng.integers(8, 40))
        _draw_row(page, rng, top, tall, is_dark)
        top += tall + int(rng.integers(2, 14))
    return page


def random_color(rng: Generator) -> tuple[int, int, int]:
    """Return any RGB colour."""
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def draw_text(
    picture: Picture, rng: Generator, x: int, y: int, color: tuple[int, ...], words: int = 1
) -> None:
    """Write some words with their base line at y."""
    text = " ".join(rng.choice(_WORDS, words))
    font = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)[rng.integers(3)]
    cv2.putText(picture, text, (x, y), font, rng.uniform(0.25, 0.6), color, 1, cv2.LINE_AA)


def _draw_row(page: Picture, rng: Generator, top: int, tall: int, is_dark: bool) -> None:
    width = page.shape[1]
    left = int(rng.integers(3, 60))
    ink = tuple(int(value) for value in (rng.integers(150, 256, 3) if is_dark else rng.integers(0, 120, 3)))
    match int(rng.integers(8)):
        case 0 | 1 | 2:
            draw_text(page, rng, left, top + 10, ink, int(rng.integers(1, 4)))
        case 3:
            right = left + int(rng.integers(30, 120))
            cv2.rectangle(page, (left, top), (right, top + tall), random_color(rng), int(rng.choice([-1, 1])))
            draw_text(page, rng, left + 6, top + tall // 2 + 4, ink)
        case 4:
            center = left + tall // 2, top + tall // 2
            cv2.circle(page, center, tall // 2, random_color(rng), int(rng.choice([-1, 1, 2])), cv2.LINE_AA)
        case 5:
            cv2.rectangle(page, (width - 40, top), (width - 22, top + 12), random_color(rng), -1)
            knob = width - 22 - 18 * int(rng.integers(2)), top + 6
            cv2.circle(page, knob, 6, random_color(rng), -1, cv2.LINE_AA)
        case 6:
            side = min(40, page.shape[0] - top, width - left - 1)
            cells = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
            page[top : top + side, left : left + side] = cv2.resize(cells, (side, side))
        case _:
            cv2.line(page, (0, top), (width, top), ink, 1)


def _read(path: Path) -> list[Picture]:
    with av.open(str(path)) as container:
        kept: list[Picture] = []
        previous: Picture | None = None
        since = -_STILL_SECONDS
        is_kept = True
        for frame in container.decode(video=0):
            small = _small(frame)
            gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
            seconds = float(frame.time or 0.0)
            if previous is None or share_changed(previous, gray) > _STILL_SHARE:
                since, is_kept, previous = seconds, False, gray
            elif not is_kept and seconds - since >= _STILL_SECONDS:
                kept.append(small)
                is_kept = True
        return kept or ([small] if previous is not None else [])


def _small(frame: av.VideoFrame) -> Picture:
    height, width = Sizes.of(frame.height, frame.width).small
    picture = frame.to_ndarray(format="rgb24")
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
