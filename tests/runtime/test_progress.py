import io
import logging
import sys

import pytest
from rich.console import Console

from clipbug.runtime import progress
from clipbug.runtime.logging import setup_logging
from clipbug.runtime.progress import ProgressBar


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_elsewhere_than_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup_logging(verbosity=0, rank=0)
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", -1.0)
    with ProgressBar("training", 4, unit="steps", initial=2) as bar:
        bar.update(loss="0.5", data_wait="3 %")
        bar.update()
    captured = capsys.readouterr()
    first, second, last = captured.err.splitlines()
    assert captured.out == ""
    assert first.startswith("training: 3/4 steps, ")
    assert "loss 0.5, data wait 3 %" in first
    assert first.endswith("s left")
    assert second.startswith("training: 4/4 steps, ")
    assert last.startswith("training: 4/4 steps, ")


def test_only_the_final_line_when_it_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(verbosity=0, rank=0)
    with ProgressBar("ingest", None, unit="files") as bar:
        bar.update(7)
        bar.update(1)
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == ["ingest: 8 files"]


@pytest.mark.parametrize(("verbosity", "rank"), [(-1, 0), (0, 1)])
def test_silent_when_quiet_and_on_other_ranks(
    capsys: pytest.CaptureFixture[str], verbosity: int, rank: int
) -> None:
    setup_logging(verbosity=verbosity, rank=rank)
    with ProgressBar("training", 2) as bar:
        bar.update(2)
    assert capsys.readouterr() == ("", "")


def test_bar_on_a_terminal_shares_it_with_messages_and_an_inner_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    setup_logging(verbosity=0, rank=0)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    assert Console(stderr=True).is_terminal
    with ProgressBar("training", 2, unit="steps") as bar:
        bar.update(loss="0.25")
        with ProgressBar("validation", 3, unit="batches") as inner:
            inner.update(3)
        logging.getLogger("clipbug").info("saved")
        bar.update()
    text = terminal.getvalue()
    assert "2/2 steps" in text
    assert "loss 0.25" in text
    assert "3/3 batches" in text
    assert "saved" in text
