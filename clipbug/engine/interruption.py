"""Stopping between two steps when a person (SIGINT), a scheduler (SIGTERM) or the clock asks for it."""

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from clipbug.errors import ClipbugError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STANDARD_ERROR = 2
TIME_IS_UP = "the time of --stop-after is up"
# torchrun passes a Ctrl-C on to processes that have it from the terminal already: not a second wish.
_SECONDS_UNTIL_REPEAT_COUNTS = 2.0


class TerminatedError(ClipbugError):
    """SIGTERM came or time is up, and the state is saved: an orderly end; a scheduler may start again."""

    exit_code = 0


class StopSignals:
    """Notes SIGINT and SIGTERM while it is entered. A second one acts at once, without saving.

    Args:
        deadline: of `time.monotonic`, after which the training stops by itself; None: never.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.received: signal.Signals | None = None
        self._deadline = deadline
        self._time = 0.0
        self._process = os.getpid()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread set handlers
            self._previous = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()

    def reason(self) -> str | None:
        """Why to stop now, or None."""
        if self.received is not None:
            return self.received.name
        is_over = self._deadline is not None and time.monotonic() >= self._deadline
        return TIME_IS_UP if is_over else None

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, _: FrameType | None) -> None:
        # A loader's forked worker has this handler too; it works on until the training process has stopped.
        if os.getpid() != self._process:
            return
        if self.received is None:
            self.received, self._time = signal.Signals(number), time.monotonic()
            # Neither logging nor print may be interrupted by themselves, so the line goes straight out.
            os.write(_STANDARD_ERROR, b"\nstopping after this step; once more stops at once\n")
        elif time.monotonic() - self._time > _SECONDS_UNTIL_REPEAT_COUNTS:
            self._restore()
            signal.raise_signal(number)


def stop_for(reason: str, *, step: int) -> NoReturn:
    """End a training whose state is saved.

    Raises:
        KeyboardInterrupt: for SIGINT.
        TerminatedError: for everything else.
    """
    if reason == signal.SIGINT.name:
        raise KeyboardInterrupt
    raise TerminatedError(
        f"{reason}: stopped after step {step}, state saved", "The same command goes on from there."
    )
