"""Training samples: a screen before, at and after a moment, with and without a touch mark or pointer."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from clipbug.perception.frames import Picture
from clipbug.perception.touch_network import STRIDE, TOUCH_CHANNELS, network_input
from clipbug.perception.training.changes import change_screen
from clipbug.perception.training.marks import Mark, draw_mark, draw_pointer, random_mark
from clipbug.perception.training.screens import drawn_screen

SIDE = 96
_CELLS = SIDE // STRIDE
_SPREAD = 5.0
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample.

    Attributes:
        frames: (3, SIDE, SIDE, 3) RGB: before, now, after.
        target: (TOUCH_CHANNELS, cells, cells): 1 in the cell of a touch, of a pointer; less around it.
        weight: (cells, cells): 0 where either answer will do.
    """

    frames: NDArray[np.uint8]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]

    def input(self) -> NDArray[np.float32]:
        """Return what the network sees."""
        return network_input(*self.frames)


def make_sample(screens: Sequence[Sequence[Picture]], rng: Generator) -> Sample:
    """Return a sample drawn over one of the screens, or over a drawn one."""
    page, following = _two_screens(screens, rng)
    x, y = float(rng.uniform(-2, SIDE + 2)), float(rng.uniform(-2, SIDE + 2))
    frames = _act(page, following, int(x), int(y), rng)
    target = np.zeros((TOUCH_CHANNELS, _CELLS, _CELLS), np.float32)
    weight = np.ones((_CELLS, _CELLS), np.float32)
    has_mark, has_pointer = rng.random() < 0.62, rng.random() < 0.25
    if has_mark:
        mark = random_mark(rng)
        if has_pointer and rng.random() < 0.6:  # the click of a simulator
            mark = random_mark(rng)
        is_touch = _place_mark(frames, mark, x, y, rng)
        _add(target[0], x, y) if is_touch else _forgive(weight, x, y)
    if has_pointer:
        near = (x, y) if has_mark and rng.random() < 0.8 else None
        _place_pointer(frames, target[1], near, rng)
    return Sample(_packed(np.stack(frames), rng), target, weight)


def _two_screens(screens: Sequence[Sequence[Picture]], rng: Generator) -> tuple[Picture, Picture]:
    """Return the same part of two screens that follow each other, varied in size and colour."""
    if screens and rng.random() < 0.72:
        group = screens[int(rng.integers(len(screens)))]
        index = int(rng.integers(len(group)))
        page, following = group[index], group[(index + 1) % len(group)]
    else:
        page, following = drawn_screen(rng), drawn_screen(rng)
    if following.shape != page.shape:
        following = page
    side = SIDE if rng.random() < 0.7 else int(SIDE * rng.uniform(0.75, 1.35))
    height, width = page.shape[:2]
    top, left = int(rng.integers(max(1, height - side))), int(rng.integers(max(1, width - side)))
    if rng.random() < 0.25:
        top = int(rng.choice([0, max(0, height - side)]))
    a, b = _crop(page, top, left, side), _crop(following, top, left, side)
    if rng.random() < 0.12:
        a, b = 255 - a, 255 - b
    if rng.random() < 0.12:
        order = rng.permutation(3)
        a, b = a[..., order], b[..., order]
    if rng.random() < 0.3:
        a, b = a[:, ::-1], b[:, ::-1]
    return np.ascontiguousarray(a), np.ascontiguousarray(b)


def _crop(picture: Picture, top: int, left: int, side: int) -> Picture:
    part = picture[top : top + side, left : left + side]
    if side != SIDE or part.shape[:2] != (SIDE, SIDE):
        if part.shape[0] < side or part.shape[1] < side:
            missing = side - part.shape[0], side - part.shape[1]
            part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        part = np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    return part.astype(np.uint8, copy=False)


def _act(page: Picture, following: Picture, x: int, y: int, rng: Generator) -> list[Picture]:
    """Return the three moments of a screen on which the app does something, or nothing."""
    before, now, after = page.copy(), page.copy(), page.copy()
    match int(rng.choice(6, p=(0.38, 0.24, 0.17, 0.08, 0.05, 0.08))):
        case 1:
            after = change_screen(page, following, x, y, rng)
        case 2:
            now = change_screen(page, following, x, y, rng)
            after = now.copy() if rng.random() < 0.6 else change_screen(now, following, x, y, rng)
            if rng.random() < 0.25:
                after = page.copy()
        case 3:
            before = change_screen(page, following, x, y, rng)
        case 4:
            before = change_screen(page, following, x, y, rng)
            after = change_screen(page, following, x, y, rng)
        case 5:
            shift = int(rng.integers(-40, 41))
            axis = int(rng.random() < 0.2)
            before, after = np.roll(page, -shift, axis), np.roll(page, shift, axis)
        case _:
            pass
    return [before, now, after]


def _place_mark(frames: list[Picture], mark: Mark, x: float, y: float, rng: Generator) -> bool:
    """Draw a mark into one to three of the frames; return whether it is a touch that begins or moves now."""
    before, now, after = frames
    age = float(rng.uniform(0, 0.5)) if mark.kind == "ripple" else 0.0
    opacity = 1.0 if rng.random() < 0.6 else float(rng.uniform(0.45, 1.0))
    kind = int(rng.choice(6, p=(0.55, 0.12, 0.2, 0.04, 0.04, 0.05)))
    if kind == 3:  # it has gone, or comes later
        draw_mark(frames[2 * int(rng.integers(2))], mark, x, y, opacity, age)
        draw_mark(now, mark, x, y, float(rng.uniform(0, 0.12)))
        return False
    if kind == 4:  # it has been there and goes on
        for frame in frames:
            draw_mark(frame, mark, x, y, opacity)
        return False
    draw_mark(now, mark, x, y, opacity, age)
    if kind == 1:
        draw_mark(after, mark, x, y, opacity)
    if kind == 0 and rng.random() < 0.3:
        draw_mark(after, mark, x, y, float(rng.uniform(0.05, 0.5)), min(1.0, age + 0.6))
    if kind == 2:
        _move(before, now, after, mark, x, y, rng)
    if kind == 5:  # taps that follow each other
        draw_mark(before, mark, x + float(rng.uniform(-60, 60)), y + float(rng.uniform(-60, 60)), opacity)
    return opacity >= 0.45


def _move(
    before: Picture, now: Picture, after: Picture, mark: Mark, x: float, y: float, rng: Generator
) -> None:
    dx, dy = rng.uniform(-60, 60, 2)
    if rng.random() < 0.6:
        dx, dy = (0.0, dy) if rng.random() < 0.5 else (dx, 0.0)
    if rng.random() < 0.6:
        draw_mark(before, mark, x - dx, y - dy)
    if rng.random() < 0.6:
        draw_mark(after, mark, x + dx, y + dy)
    if rng.random() < 0.3:  # a trail
        color = tuple(int(value) for value in mark.fill)
        end = round(x - dx * 0.7), round(y - dy * 0.7)
        trailed = now.copy()
        cv2.line(trailed, (round(x), round(y)), end, color, max(1, round(mark.radius / 2)), cv2.LINE_AA)
        cv2.addWeighted(now, 0.5, trailed, 0.5, 0, dst=now)
        draw_mark(now, mark, x, y)


def _place_pointer(
    frames: list[Picture], target: NDArray[np.float32], near: Point | None, rng: Generator
) -> None:
    """Draw a mouse pointer that rests or moves; it is to be found where it has moved to."""
    height, is_dark, is_hand = float(rng.uniform(8, 22)), rng.random() < 0.7, rng.random() < 0.2
    x, y = near or (float(rng.uniform(0, SIDE)), float(rng.uniform(0, SIDE)))
    if near:
        x, y = x + float(rng.uniform(-1, 1)), y + float(rng.uniform(-1, 1))
    moves = rng.random() < 0.65
    reach = float(np.exp(rng.uniform(np.log(2), np.log(60)))) if moves else 0.0
    steps = [rng.uniform(-reach, reach, 2) for _ in range(2)]
    places = [(x + steps[0][0], y + steps[0][1]), (x, y), (x + steps[1][0], y + steps[1][1])]
    if moves and rng.random() < 0.3:
        places[2] = places[1]
    changes_shape = rng.random() < 0.1
    for number, (frame, place) in enumerate(zip(frames, places, strict=True)):
        draw_pointer(frame, *place, height, is_dark, is_hand != (changes_shape and number == 1))
    if moves and np.hypot(*steps[0]) > 2:
        _add(target, x, y)


def _add(target: NDArray[np.float32], x: float, y: float) -> None:
    if not (-1 <= x < SIDE + 1 and -1 <= y < SIDE + 1):
        return
    centers = np.arange(_CELLS) * STRIDE + (STRIDE - 1) / 2
    distance = (centers[None, :] - x) ** 2 + (centers[:, None] - y) ** 2
    np.maximum(target, np.exp(-distance / (2 * _SPREAD**2)), out=target)
    cell = [int(np.clip(value // STRIDE, 0, _CELLS - 1)) for value in (y, x)]
    target[cell[0], cell[1]] = 1.0


def _forgive(weight: NDArray[np.float32], x: float, y: float) -> None:
    row, column = (int(value // STRIDE) for value in (y, x))
    weight[max(0, row - 3) : max(0, row + 4), max(0, column - 3) : max(0, column + 4)] = 0.0


def _packed(frames: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Return the frames with the losses of a codec, of few colours or of scaling."""
    flat: Picture = frames.reshape(3 * SIDE, SIDE, 3)
    share = rng.random()
    if share < 0.7:
        quality = int(rng.integers(25, 96))
        data = cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        flat = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    elif share < 0.8:
        step = int(rng.integers(8, 40))
        noise = rng.integers(-step // 2, step // 2 + 1, flat.shape[:2])[..., None]
        flat = np.clip((flat + noise) // step * step + step // 2, 0, 255).astype(np.uint8)
    return np.asarray(flat, np.uint8).reshape(3, SIDE, SIDE, 3)
