"""Stop between two steps on SIGINT (user), SIGTERM (scheduler) or when the time limit is reached."""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from clipbug.data.loading.batch import Batch
from clipbug.errors import ClipbugError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STANDARD_ERROR = 2
TIME_IS_UP = "the time of --stop-after is up"
# torchrun forwards Ctrl-C to processes that already got it from the terminal; that is not a second request.
_SECONDS_UNTIL_REPEAT_COUNTS = 2.0


class TerminatedError(ClipbugError):
    """SIGTERM or the time limit stopped the run with its state saved: an orderly exit that can be resumed."""

    exit_code = 0


class StopSignals:
    """Context manager that records SIGINT and SIGTERM. A second signal acts at once, without saving.

    Args:
        deadline: Value of `time.monotonic` after which training stops; None for no limit.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.received: signal.Signals | None = None
        self._deadline = deadline
        self._time = 0.0
        self._process = os.getpid()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # other threads cannot set signal handlers
            self._previous = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()

    def reason(self) -> str | None:
        """Return why to stop now, or None."""
        if self.received is not None:
            return self.received.name
        is_over = self._deadline is not None and time.monotonic() >= self._deadline
        return TIME_IS_UP if is_over else None

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, _: FrameType | None) -> None:
        # A forked loader worker inherits this handler; it must keep working until training has stopped.
        if os.getpid() != self._process:
            return
        if self.received is None:
            self.received, self._time = signal.Signals(number), time.monotonic()
            # Logging and print are not reentrant, so a signal handler must write directly.
            os.write(_STANDARD_ERROR, b"\nstopping after this step; repeat the signal to stop immediately\n")
        elif time.monotonic() - self._time > _SECONDS_UNTIL_REPEAT_COUNTS:
            self._restore()
            signal.raise_signal(number)


def stop_for(reason: str, *, step: int) -> NoReturn:
    """End a training run whose state is saved.

    Args:
        reason: Reason from `StopSignals.reason`.
        step: Number of completed steps.

    Raises:
        KeyboardInterrupt: The reason is SIGINT.
        TerminatedError: Any other reason.
    """
    if reason == signal.SIGINT.name:
        raise KeyboardInterrupt
    raise TerminatedError(
        f"{reason}: stopped after step {step}, state saved", "Run the same command to resume."
    )


def until_stopped(batches: Iterable[Batch], signals: StopSignals) -> Iterator[Batch]:
    """Yield the batches; end early if a stop signal has killed the loader's workers."""
    try:
        yield from batches
    except RuntimeError:
        if signals.received is None:
            raise
