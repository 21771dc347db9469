"""One piece of work at a time in a thread; what goes wrong in it is raised where the training goes on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWork:
    """Runs functions one after the other, beside the caller. Python waits for the last one before it ends."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._work: Future[None] | None = None

    def start(self, function: Callable[[], None]) -> None:
        """Run `function` when the one before is done; raises what that one met."""
        self.wait()
        self._work = self._pool.submit(function)

    def check(self) -> None:
        """Raise what the work met, if it is done; do not wait."""
        if self._work is not None and self._work.done():
            self.wait()

    def wait(self) -> None:
        """Wait until the work is done, and raise what it met."""
        work, self._work = self._work, None
        if work is not None:
            work.result()
