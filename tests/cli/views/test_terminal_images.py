"""Pictures in terminals: the right way for each, and none where colour is not wanted."""

import base64
import io
import re

import cv2
import numpy as np
import pytest
from rich.console import Console

from clipbug.cli.views.answer import answer_view
from clipbug.cli.views.terminal_images import TerminalPicture, picture_protocol

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 20, 3)).astype(np.uint8)


def terminal(colors: str = "truecolor", width: int = 60, **settings: bool) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system=colors,  # type: ignore[arg-type]
        width=width,
        _environ={},
        **settings,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, "blocks"),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, "none"),
    ],
)
def test_choice(environment: dict[str, str], protocol: str) -> None:
    assert picture_protocol(terminal(), environment) == protocol


def test_no_picture_without_colours_or_terminal() -> None:
    assert picture_protocol(terminal("standard"), {"TERM": "linux"}) == "none"
    assert picture_protocol(terminal(no_color=True), {"TERM": "xterm-256color"}) == "none"
    assert picture_protocol(Console(file=io.StringIO()), {"TERM": "xterm-kitty"}) == "none"


def printed(console: Console, picture: TerminalPicture) -> str:
    console.print(picture)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_half_blocks_have_the_colours_of_the_pixels() -> None:
    text = printed(terminal(), TerminalPicture(PICTURE[:24], "blocks"))  # 24 pixels high: 12 rows, unscaled
    codes = re.findall(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀", text)
    found = np.array(codes, dtype=int).reshape(12, 20, 2, 3)
    np.testing.assert_array_equal(found[:, :, 0], PICTURE[:24:2])
    np.testing.assert_array_equal(found[:, :, 1], PICTURE[1:24:2])


def test_blocks_keep_to_the_width() -> None:
    wide = np.zeros((10, 400, 3), np.uint8)
    lines = printed(terminal(width=50), TerminalPicture(wide, "blocks")).splitlines()
    assert max(line.count("▀") for line in lines) == 50


def test_kitty_gets_the_picture_in_pieces() -> None:
    text = printed(terminal(), TerminalPicture(PICTURE, "kitty"))
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert len(pieces) > 1
    assert all(len(data) <= 4096 for _, data in pieces)
    assert [settings[-1] for settings, _ in pieces] == ["1"] * (len(pieces) - 1) + ["0"]
    data = base64.b64decode("".join(data for _, data in pieces))
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[0] / picture.shape[1] == PICTURE.shape[0] / PICTURE.shape[1]


def test_iterm_gets_one_file() -> None:
    text = printed(terminal(), TerminalPicture(PICTURE, "iterm"))
    [data] = re.findall(r"\x1b\]1337;File=inline=1;[^:]*:([^\x07]*)\x07", text)
    assert base64.b64decode(data).startswith(b"\x89PNG")


def test_markup_in_answers_is_text() -> None:
    console = terminal("truecolor", no_color=True)
    answer = {
        **{"file": "[red]a.mp4\x1b[31m", "question": "[bold]what?[/bold]", "answer": "[link=x]no[/link]"},
        **{"probability": 0.5, "top": [["[b]no", 0.5]], "clips": []},
    }
    console.print(answer_view(answer, PICTURE[None, None], console))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[31m" not in text
    for part in ("[red]a.mp4", "[bold]what?[/bold]", "[link=x]no[/link]", "[b]no"):
        assert part in text
