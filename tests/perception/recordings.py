"""Recordings drawn in memory, whose truth is known to the frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
SIZE = (640, 360)
WHITE, BLACK, BLUE, GREY = (255, 255, 255), (25, 25, 25), (25, 118, 210), (225, 225, 225)


@dataclass
class Drawn:
    """Frames in memory as a `FrameSource`."""

    pictures: Sequence[Picture]
    fps: float = 10.0
    seconds: Sequence[float] | None = None

    @property
    def width(self) -> int:
        return self.pictures[0].shape[1] if self.pictures else 1

    @property
    def height(self) -> int:
        return self.pictures[0].shape[0] if self.pictures else 1

    @property
    def duration_seconds(self) -> float:
        return len(self.pictures) / self.fps if len(self.pictures) > 1 else 0.0

    def frames(self, size: tuple[int, int]) -> Iterator[tuple[float, Picture]]:
        for index, picture in enumerate(self.pictures):
            seconds = self.seconds[index] if self.seconds is not None else index / self.fps
            scaled = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
            yield seconds, scaled.astype(np.uint8, copy=False)


@dataclass
class FakeEngine:
    """Reads what tests write with `code_line`: a dark bar whose brightness pattern is its text's number."""

    texts: dict[int, str] = field(default_factory=dict)
    num_read: int = 0

    def detect(self, picture: Picture) -> list[NDArray[np.float64]]:
        marked = (np.abs(picture.astype(int) - np.array([40, 60, 90])).max(axis=2) < 12).astype(np.uint8)
        count, _, stats, _ = cv2.connectedComponentsWithStats(marked)
        boxes = [stats[number][:4].astype(np.float64) for number in range(1, count) if stats[number][4] > 150]
        return [np.array([x - 3, y - 3, x + w + 3, y + h + 3]) for x, y, w, h in boxes]

    def recognize(self, crops: Sequence[Picture]) -> list[tuple[str, float]]:
        self.num_read += len(crops)
        return [("line " + str(crop.shape[1]), 0.99) for crop in crops]


def screen(
    title: str,
    lines: Sequence[str] = (),
    *,
    size: tuple[int, int] = SIZE,
    bar: tuple[int, int, int] = BLUE,
    paper: tuple[int, int, int] = WHITE,
    offset: int = 0,
) -> Picture:
    """A page with a title bar and lines of text 48 pixels apart, scrolled up by `offset` pixels."""
    height, width = size
    image = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(image)
    ink = BLACK if sum(paper) > 380 else WHITE
    for number, line in enumerate(lines):
        y = 84 + 48 * number - offset
        draw.text((20, y), line, font=font(16), fill=ink)
        draw.line((0, y + 32, width, y + 32), fill=GREY)
    draw.rectangle((0, 0, width, 56), fill=bar)
    draw.text((20, 16), title, font=font(20), fill=WHITE)
    return np.asarray(image).copy()


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own scalable font."""
    return ImageFont.load_default(size)


def with_text(
    picture: Picture, text: str, x: int, y: int, *, size: int = 16, ink: tuple[int, int, int] = BLACK
) -> Picture:
    """A copy with a line of text whose upper left corner is at (x, y)."""
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text((x, y), text, font=font(size), fill=ink)
    return np.asarray(image).copy()


def with_dialog(picture: Picture, title: str, text: str, buttons: str = "OK") -> Picture:
    """The page dimmed, with a white dialog in its middle."""
    dimmed = (picture * 0.5).astype(np.uint8)
    height, width = picture.shape[:2]
    left, top, right, bottom = width // 9, height // 3, width - width // 9, 2 * height // 3
    dimmed[top:bottom, left:right] = 255
    dimmed = with_text(dimmed, title, left + 18, top + 18, size=20)
    dimmed = with_text(dimmed, text, left + 18, top + 66, size=15)
    return with_text(dimmed, buttons, right - 70, bottom - 42, size=16, ink=BLUE)


def hold(picture: Picture, seconds: float, fps: float = 10.0) -> list[Picture]:
    """A picture that stays."""
    return [picture] * round(seconds * fps)


def slide(before: Picture, after: Picture, num_frames: int = 4) -> list[Picture]:
    """A page that slides in from the right."""
    width = before.shape[1]
    found = []
    for number in range(1, num_frames + 1):
        x = width - round(width * number / (num_frames + 1))
        frame = before.copy()
        frame[:, x:] = after[:, : width - x]
        found.append(frame)
    return found


def write_video(path: Path, pictures: Sequence[Picture], fps: int = 10) -> Path:
    """An H.264 file of these pictures."""
    import av

    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path
