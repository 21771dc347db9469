"""Process setup before heavy modules are imported."""

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self


def let_idle_threads_sleep() -> None:
    """Make idle OpenMP threads yield their core instead of spinning, unless the user has set a policy.

    If other work occupies a core, each of a model's many short operations waits for a thread that is not
    scheduled, and a small model takes several times as long. OpenMP reads the variable once, when torch is
    imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


class Termination:
    """A context in which SIGTERM ends a command as Ctrl-C does: it cleans up and saves its state.

    Handlers that something else has set are kept. Does nothing under torchrun, which ends processes itself.
    """

    def __init__(self) -> None:
        self.is_requested = False

    def __enter__(self) -> Self:
        is_main_thread = threading.current_thread() is threading.main_thread()  # only it may set handlers
        self._is_set = is_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        self._is_set &= "TORCHELASTIC_RUN_ID" not in os.environ
        if self._is_set:
            signal.signal(signal.SIGTERM, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_set:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def exit_code(self, code: int) -> int:
        """Return the exit code of a command that would exit with `code`."""
        return 128 + signal.SIGTERM if self.is_requested and code == 128 + signal.SIGINT else code

    def _interrupt(self, *_: object) -> None:
        self.is_requested = True
        raise KeyboardInterrupt


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Disable garbage collection during imports and exempt the imported objects from later collections.

    Modules live until the process exits. Collecting their roughly 500,000 objects repeatedly, the last time
    at exit, takes a third of the time of a short command.

    Yields:
        Nothing; the imports go into the body of the `with` statement.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
