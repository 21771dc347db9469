"""Render one answer in the terminal: the answer, its alternatives, the frames and the answer of each clip."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from clipbug.cli.views.terminal_images import TerminalPicture, picture_protocol

Frames = NDArray[np.uint8]
"""(N, T, H, W, 3) RGB, the frames of each clip."""

_BAR_WIDTH = 18
_GAP_PIXELS = 4


def answer_view(answer: Mapping[str, Any], frames: Frames, console: Console) -> RenderableType:
    """Return the terminal view of one answer.

    Args:
        answer: an object of `ask --json`.
        frames: the frames that the model saw.
        console: the console that will print the view.

    Returns:
        The answer with its probability, the best alternatives, the frames if the terminal can show them, and
        a table of the clips if there are several.
    """
    head = Text.assemble(
        (f"{_printable(answer['file'])}\n", "dim"),
        (f"{_printable(answer['question'])}\n", "default"),
        (_printable(answer["answer"]), "bold green"),
        f"  {_percent(answer['probability'])}",
    )
    parts: list[RenderableType] = [head, _alternatives(answer["top"])]
    protocol = picture_protocol(console)
    if protocol != "none":
        parts.append(TerminalPicture(_contact_sheet(frames), protocol))
    if len(answer["clips"]) > 1:
        parts.append(_clips(answer["clips"], answer["answer"]))
    return Group(*parts, Text())


def _alternatives(top: Sequence[Sequence[Any]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for name, probability in top:
        filled = round(_BAR_WIDTH * probability)
        bar = Text("━" * filled, "green") + Text("·" * (_BAR_WIDTH - filled), "bright_black")
        table.add_row(bar, Text(_percent(probability), justify="right"), Text(_printable(name)))
    return table


def _clips(clips: Sequence[Mapping[str, Any]], answer: str) -> Table:
    """Return a table with a row per clip; clips that agree with the answer are bold."""
    table = Table(show_edge=False, box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("clip", "from", "to", "answer", ""):
        table.add_column(name, justify="right" if name in ("clip", "from", "to", "") else "left")
    for number, clip in enumerate(clips, start=1):
        table.add_row(
            str(number),
            f"{clip['start_seconds']:.1f} s",
            f"{clip['end_seconds']:.1f} s",
            Text(_printable(clip["answer"])),
            _percent(clip["probability"]),
            style="bold" if clip["answer"] == answer else "dim",
        )
    return table


def _contact_sheet(frames: Frames) -> NDArray[np.uint8]:
    """Return the first frame of each clip, side by side."""
    gap = np.zeros((frames.shape[2], max(1, frames.shape[3] // 40 * _GAP_PIXELS), 3), np.uint8)
    parts = [part for clip in frames for part in (clip[0], gap)]
    return np.concatenate(parts[:-1], axis=1)


def _printable(text: str) -> str:
    """Return the text without escape codes and other control characters, as it may be untrusted."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
