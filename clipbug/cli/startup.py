"""How a process starts, before anything heavy is imported."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


def let_idle_threads_sleep() -> None:
    """Threads of a computation that wait for each other leave their core at once; the user's choice stays.

    By default they first spin. Where other work holds a core, each of the many short operations of a model
    then waits for a thread that does not run, and a small model takes several times as long. OpenMP reads
    this once, when torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


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
