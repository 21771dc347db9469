"""Run one function at a time in a background thread; its errors surface in the training loop."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWork:
    """Runs functions one after another in a thread. Python waits for the last one before it exits."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._work: Future[None] | None = None

    def start(self, function: Callable[[], None]) -> None:
        """Run `function` once the previous one has finished; raise the previous one's error."""
        self.wait()
        self._work = self._pool.submit(function)

    def check(self) -> None:
        """Raise the function's error if it has finished; do not wait."""
        if self._work is not None and self._work.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the function to finish and raise its error."""
        work, self._work = self._work, None
        if work is not None:
            work.result()
