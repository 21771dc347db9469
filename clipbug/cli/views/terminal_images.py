"""Show images in a terminal: as pixels where supported, else as coloured half blocks, else not at all."""

import base64
import os
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import ControlType, Segment
from rich.style import Style

Protocol = Literal["kitty", "iterm", "blocks", "none"]
_ROWS = 12  # height of an image in lines of text
_PIXELS_PER_ROW = 24
_KITTY_CHUNK = 4096


def picture_protocol(console: Console, environment: Mapping[str, str] = os.environ) -> Protocol:
    """Return how the console can show images; "none" without a terminal or colours, or with NO_COLOR."""
    if not console.is_terminal or console.no_color or environment.get("NO_COLOR"):
        return "none"
    program, term = environment.get("TERM_PROGRAM", ""), environment.get("TERM", "")
    if "TMUX" not in environment and not term.startswith("screen"):  # they drop images
        if "kitty" in term or "KITTY_WINDOW_ID" in environment or program == "ghostty":
            return "kitty"
        if program in ("iTerm.app", "WezTerm"):
            return "iterm"
    return "blocks" if console.color_system in ("truecolor", "256") else "none"


class TerminalPicture:
    """An image that rich can print.

    Args:
        picture: (H, W, 3) RGB.
        protocol: the result of `picture_protocol`.
    """

    def __init__(self, picture: NDArray[np.uint8], protocol: Protocol) -> None:
        self.picture = picture
        self.protocol = protocol

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the image as segments; escape codes are control segments, which rich does not alter."""
        if self.protocol == "blocks":
            yield from _half_blocks(self.picture, options.max_width)
        elif self.protocol != "none":
            picture = _fit(self.picture, options.max_width * _PIXELS_PER_ROW // 2, _ROWS * _PIXELS_PER_ROW)
            png = base64.b64encode(_png(picture)).decode("ascii")
            codes = _kitty(png) if self.protocol == "kitty" else _iterm(png)
            yield Segment(codes, None, [(ControlType.BELL,)])
            yield Segment.line()


def _fit(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return the image scaled to fit into a box, with its aspect ratio kept."""
    import cv2

    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
    fitted: NDArray[np.uint8] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return fitted


def _png(picture: NDArray[np.uint8]) -> bytes:
    import cv2

    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()


def _half_blocks(picture: NDArray[np.uint8], width: int) -> Iterator[Segment]:
    """Yield two pixels per character: the upper one as foreground colour, the lower one as background."""
    small = _fit(picture, width, 2 * _ROWS)
    if len(small) % 2:
        small = np.concatenate([small, small[-1:]])
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
        for above, below in zip(upper, lower, strict=True):
            yield Segment("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        yield Segment.line()


def _kitty(png: str) -> str:
    chunks = [png[start : start + _KITTY_CHUNK] for start in range(0, len(png), _KITTY_CHUNK)]
    codes = []
    for number, chunk in enumerate(chunks):
        first, is_last = f"a=T,f=100,r={_ROWS}," if number == 0 else "", number == len(chunks) - 1
        codes.append(f"\x1b_G{first}m={0 if is_last else 1};{chunk}\x1b\\")
    return "".join(codes)


def _iterm(png: str) -> str:
    return f"\x1b]1337;File=inline=1;height={_ROWS};preserveAspectRatio=1:{png}\x07"
