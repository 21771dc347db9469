"""How a process starts, before anything heavy is imported."""

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self


def let_idle_threads_sleep() -> None:
    """Threads of a computation that wait for each other leave their core at once; the user's choice stays.

    By default they first spin. Where other work holds a core, each of the many short operations of a model
    then waits for a thread that does not run, and a small model takes several times as long. OpenMP reads
    this once, when torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


class Termination:
    """Makes SIGTERM end a command as Ctrl-C does: what is half done is tidied up, and the state saved.

    Nothing changes where something else has set a handler, nor under torchrun, which ends processes itself.
    """

    def __init__(self) -> None:
        self.has_come = False

    def __enter__(self) -> Self:
        is_main_thread = threading.current_thread() is threading.main_thread()  # others can set no handler
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
        """Return the exit code of a command that would end with `code`."""
        return 128 + signal.SIGTERM if self.has_come and code == 128 + signal.SIGINT else code

    def _interrupt(self, *_: object) -> None:
        self.has_come = True
        raise KeyboardInterrupt


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import without looking for garbage, neither meanwhile nor later in what was imported.

    Modules stay until the process ends. To search their some 500,000 objects again and again, the last time
    at the end, takes a third of the time of a short command.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
