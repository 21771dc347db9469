"""Report progress on standard error: a bar on a terminal, periodic lines elsewhere."""

import logging
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.errors import LiveError
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from clipbug.runtime.logging import LOGGER_NAME

_logger = logging.getLogger(LOGGER_NAME)
_SECONDS_BETWEEN_LINES = 15.0


class ProgressBar:
    """Counts completed items and shows rate, remaining time and named extras such as the share of data wait.

    Shown only if the logger "clipbug" shows information: not with -q, and only on rank 0.

    Args:
        description: What is being done, such as "training".
        total: Number of items, or None if unknown.
        unit: Plural name of the items.
        initial: Items completed before this process started; they do not count for the rate.
    """

    def __init__(self, description: str, total: int | None, *, unit: str = "items", initial: int = 0) -> None:
        self._description = description
        self._total = total
        self._unit = unit
        self._initial = initial
        self._done = initial
        self._info: dict[str, str] = {}
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        self._started = self._last_line = time.monotonic()
        console = Console(stderr=True)
        if _logger.isEnabledFor(logging.INFO) and console.is_terminal:
            self._start_bar(console)
        return self

    def update(self, n: int = 1, **info: str) -> None:
        """Count `n` more items; `info` stays visible until the next value of the same name."""
        self._done += n
        self._info.update(info)
        if self._bar is not None:
            self._bar.update(self._task, advance=n, extra=self._extra())
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._print_line()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        else:
            self._print_line()

    def _start_bar(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[extra]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        )
        bar = Progress(*columns, console=console)
        self._task = bar.add_task(
            self._description, total=self._total, completed=self._initial, extra=self._extra()
        )
        try:
            bar.start()
        except LiveError:  # older rich shows one bar at a time; validation runs inside training
            return
        self._bar = bar

    def _extra(self) -> str:
        count = f"{self._done}/{self._total}" if self._total is not None else f"{self._done}"
        info = (f"{name.replace('_', ' ')} {value}" for name, value in self._info.items())
        return ", ".join((f"{count} {self._unit}", f"{self._rate():.3g}/s", *info))

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        elapsed = self._last_line - self._started
        left = ""
        if self._total is not None and self._initial < self._done < self._total:
            left = f", {(self._total - self._done) / self._rate():.0f} s left"
        _logger.info("%s: %s, %.0f s%s", self._description, self._extra(), elapsed, left)

    def _rate(self) -> float:
        return (self._done - self._initial) / max(time.monotonic() - self._started, 1e-9)
