"""Generate recordings of any size and duration for benchmarks: a user scrolls, taps and types in an app."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.runtime.files import atomic_write
from clipbug.synthetic.canvas import Canvas, Rect
from clipbug.synthetic.pools import TRAIN_POOL
from clipbug.synthetic.recorder import encode_h264
from clipbug.synthetic.style import pick

Motion = Literal["moving", "still", "phone"]
Image = NDArray[np.uint8]
_Run = tuple[Image, int]  # an image and the number of frames that it is shown

_KEYS = ("QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM")
_DOT = (25, 90, 255)


def write_recording(
    path: Path,
    *,
    seconds: float,
    width: int,
    height: int,
    fps: int = 30,
    motion: Motion,
    seed: int,
    gop: int = 250,
) -> None:
    """Generate a recording: H.264, yuv420p, mp4; equal arguments give equal bytes.

    Args:
        path: path of the file.
        seconds: duration.
        width: width in pixels; even, at least 64.
        height: height in pixels; even, at least 64.
        fps: frames per second.
        motion: "moving": scrolled continuously, so that no two frames are equal; "still": an app in use,
            still for 1 to 3 s between scrolling, taps and typing, at a constant frame rate; "phone": the same
            as a phone records it (Android's screenrecord), with a frame only when the screen changes and
            without B-frames.
        seed: random seed.
        gop: exact number of frames between keyframes.

    Raises:
        ValueError: the size is odd or too small.
        ClipbugError: the file cannot be written.
    """
    if width % 2 or height % 2 or min(width, height) < 64:
        raise ValueError(f"width and height must be even and at least 64, got {width} x {height}")
    user = _User(width, height, fps, np.random.default_rng(seed))
    runs = _first_frames(user.scroll() if motion == "moving" else user.use(), _frames(seconds, fps))
    is_phone = motion == "phone"
    options = {"sc_threshold": "0"}  # otherwise x264 inserts a keyframe at every new page
    if is_phone:
        options["bf"] = "0"
    file = encode_h264(
        runs, fps=fps, width=width, height=height, gop=gop, options=options, only_changes=is_phone
    )
    atomic_write(path, file)


def _frames(seconds: float, fps: int) -> int:
    return max(1, round(seconds * fps))


def _first_frames(runs: Iterator[_Run], count: int) -> Iterator[_Run]:
    """Yield runs of `count` frames in total, with the last one truncated."""
    for image, num_frames in runs:
        yield image, min(num_frames, count)
        count -= num_frames
        if count <= 0:
            return


@dataclass(frozen=True, slots=True)
class _Shown:
    """The state of the screen: a page (three screens high), its scroll offset, and what is drawn above it."""

    page: Image
    scroll: int = 0
    typed: str | None = None
    dot: tuple[int, int] | None = None
    angle: int | None = None


class _User:
    """A simulated user, whose actions yield images with the number of frames that each is shown."""

    def __init__(self, width: int, height: int, fps: int, generator: np.random.Generator) -> None:
        self._size = (width, height)
        self._fps = fps
        self._generator = generator
        self._pages = [_draw_page(width, height, generator) for _ in range(4)]
        self._shown = _Shown(self._pages[0])

    def use(self) -> Iterator[_Run]:
        """Alternate between waiting and random actions, endlessly."""
        actions = (self._flick, self._tap, self._type)
        while True:
            yield self._draw(), self._draw_frames(1.0, 3.0)
            yield from pick(self._generator, actions)()

    def scroll(self) -> Iterator[_Run]:
        """Scroll up and down while a spinner turns, endlessly."""
        height = self._size[1]
        step = max(1, round(0.35 * height / self._fps))
        for index in itertools.count():
            offset = index * step % (4 * height)
            scroll = min(offset, 4 * height - offset)
            self._shown = _Shown(self._pages[0], scroll=scroll, angle=index * 7 % 360)
            yield self._draw(), 1

    def _flick(self) -> Iterator[_Run]:
        count, height = self._draw_frames(0.5, 0.9), self._size[1]
        start = self._shown.scroll
        distance = round(height * self._generator.uniform(0.3, 0.9)) * (1 if start < height else -1)
        for index in range(1, count + 1):
            moved = 1 - (1 - index / count) ** 2  # slows down like a flick
            scroll = min(max(start + round(distance * moved), 0), 2 * height)
            self._shown = _Shown(self._shown.page, scroll=scroll)
            yield self._draw(), 1

    def _tap(self) -> Iterator[_Run]:
        width, height = self._size
        dot = (
            int(self._generator.integers(width // 8, width * 7 // 8)),
            int(self._generator.integers(height // 4, height - height // 8)),
        )
        self._shown = _Shown(self._shown.page, self._shown.scroll, dot=dot)
        yield self._draw(), self._draw_frames(0.12, 0.25)
        self._shown = _Shown(self._pages[int(self._generator.integers(len(self._pages)))])

    def _type(self) -> Iterator[_Run]:
        for end in range(len(word := pick(self._generator, TRAIN_POOL.nouns)) + 1):
            self._shown = _Shown(self._shown.page, self._shown.scroll, typed=word[:end])
            yield self._draw(), self._draw_frames(0.1, 0.2)
        self._shown = _Shown(self._shown.page, self._shown.scroll)

    def _draw_frames(self, least_seconds: float, most_seconds: float) -> int:
        return _frames(float(self._generator.uniform(least_seconds, most_seconds)), self._fps)

    def _draw(self) -> Image:
        width, height = self._size
        shown = self._shown
        image = shown.page[shown.scroll : shown.scroll + height].copy()
        canvas, unit = Canvas(image), height // 32
        canvas.box(Rect(0, 0, width, 2 * unit), (48, 63, 159))
        canvas.text("12:34", (unit, unit), (255, 255, 255), height=unit // 2)
        if shown.typed is not None:
            _draw_keyboard(canvas, shown.typed, unit)
        if shown.dot is not None:
            canvas.disc(shown.dot, unit, _DOT)
        if shown.angle is not None:
            canvas.arc(
                (width - 2 * unit, unit), unit // 2, (shown.angle, shown.angle + 90), (255, 255, 255), 2
            )
        return image


def _draw_page(width: int, height: int, generator: np.random.Generator) -> Image:
    """Draw rows of an avatar, a title and two lines, with occasional photos."""
    image = np.full((3 * height, width, 3), 250, np.uint8)
    canvas, unit = Canvas(image), height // 32
    top = 3 * unit
    while top < image.shape[0]:
        title = f"{pick(generator, TRAIN_POOL.qualities)} {pick(generator, TRAIN_POOL.nouns)}"
        canvas.disc((2 * unit, top + unit), unit, pick(generator, TRAIN_POOL.tints))
        canvas.text(title, (4 * unit, top + unit // 2), (32, 33, 36), height=unit // 2, bold=True)
        for line in (1, 2):
            words = " ".join(pick(generator, TRAIN_POOL.nouns).lower() for _ in range(6))
            anchor = (4 * unit, top + unit // 2 + line * unit)
            canvas.text(words, anchor, (110, 112, 118), height=unit // 3, max_width=width - 5 * unit)
        top += 4 * unit
        if generator.random() < 0.3:
            _paste(image, _photo(width - 2 * unit, 6 * unit, generator), (unit, top))
            top += 7 * unit
    return image


def _photo(width: int, height: int, generator: np.random.Generator) -> Image:
    """Draw soft colours with fine grain."""
    soft = cv2.resize(
        generator.uniform(30, 225, (4, 6, 3)), (width, height), interpolation=cv2.INTER_CUBIC
    ) + generator.normal(0, 4, (height, width, 1))
    return np.clip(soft, 0, 255).astype(np.uint8)


def _paste(image: Image, patch: Image, corner: tuple[int, int]) -> None:
    left, top = corner
    view = image[top : top + patch.shape[0], left : left + patch.shape[1]]
    view[:] = patch[: view.shape[0], : view.shape[1]]


def _draw_keyboard(canvas: Canvas, typed: str, unit: int) -> None:
    height, width = canvas.image.shape[:2]
    top = height - 11 * unit
    canvas.box(Rect(0, top, width, height), (214, 217, 222))
    canvas.box(Rect(0, top, width, top + 2 * unit), (255, 255, 255))
    canvas.text(typed, (unit, top + unit), (32, 33, 36), height=unit * 2 // 3)
    key = width // 10
    for row, letters in enumerate(_KEYS):
        left = (width - len(letters) * key) // 2
        for column, letter in enumerate(letters):
            box = Rect(left + column * key, 0, left + (column + 1) * key, 2 * unit)
            box = box.shifted(top + 5 * unit // 2 + row * 5 * unit // 2)
            canvas.box(box.inset(max(1, unit // 10)), (255, 255, 255), unit // 4)
            canvas.text(letter, box.center, (32, 33, 36), height=unit // 2, align="center")
