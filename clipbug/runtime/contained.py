"""Process items in worker processes, so that native code that crashes or hangs costs only one item."""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Lost:
    """An item whose worker had to be replaced, and why: "crashed (SIGSEGV)", "took more than 300 s"."""

    reason: str


class ContainedPool(Generic[Item, Result]):
    """Applies a function to items in worker processes; results come in the order of the items.

    A worker that dies or takes too long is replaced, and its item yields a `Lost`.

    Args:
        function: Picklable; its exceptions are raised by `map`.
        num_workers: At least 1.
        seconds_per_item: Time limit.
        bytes_per_worker: Limit of address space, beyond which allocations fail in the worker. None for no
            limit.
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        *,
        num_workers: int,
        seconds_per_item: float,
        bytes_per_worker: int | None = None,
    ) -> None:
        self._function = function
        self._num_bytes = bytes_per_worker
        self._num_workers = num_workers
        self._limit = seconds_per_item

    def map(self, items: Iterable[Item]) -> Iterator[Result | Lost]:
        """Yield a result for each item; read ahead at most twice as many items as workers."""
        waiting, numbers = iter(enumerate(items)), iter(range(2**63))
        done: dict[int, Any] = {}
        workers: list[_Worker] = []
        try:
            expected = next(numbers)
            while True:
                self._hand_out(workers, waiting, expected + 2 * self._num_workers)
                if not any(worker.is_busy for worker in workers) and not done:
                    return
                while expected in done:
                    result = done.pop(expected)
                    expected = next(numbers)
                    if isinstance(result, BaseException):
                        raise result
                    yield result
                    self._hand_out(workers, waiting, expected + 2 * self._num_workers)
                self._collect(workers, done)
        finally:
            for worker in workers:
                worker.stop()

    def _hand_out(self, workers: list["_Worker"], items: Iterator[tuple[int, Any]], limit: int) -> None:
        """Give idle workers (created as needed) the next items, but none from number `limit` on."""
        while (busy := [worker for worker in workers if worker.is_busy]) != workers or len(
            workers
        ) < self._num_workers:
            if busy and max(worker.number for worker in busy) + 1 >= limit:
                return
            item = next(items, None)
            if item is None:
                return
            idle = next((worker for worker in workers if not worker.is_busy), None)
            if idle is None:
                idle = _Worker(self._function, self._num_bytes)
                workers.append(idle)
            idle.give(*item)

    def _collect(self, workers: list["_Worker"], done: dict[int, Any]) -> None:
        """Wait until a worker returns a result, dies, or times out."""
        busy = [worker for worker in workers if worker.is_busy]
        if not busy:
            return
        left = min(worker.since for worker in busy) + self._limit - time.monotonic()
        ready = set(wait([worker.connection for worker in busy], max(left, 0.0)))
        for worker in busy:
            if worker.connection in ready:
                result = worker.take()
            elif time.monotonic() - worker.since >= self._limit:
                worker.stop()
                result = Lost(f"took more than {self._limit:g} s")
            else:
                continue
            done[worker.number] = result
            worker.is_busy = False
            if not worker.is_alive:
                workers.remove(worker)


class _Worker:
    """A worker process and its current item."""

    def __init__(self, function: Callable[[Any], Any], num_bytes: int | None) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, function, num_bytes), daemon=True)
        self._process.start()
        theirs.close()
        self.is_busy = False
        self.is_alive = True
        self.number = -1
        self.since = 0.0

    def give(self, number: int, item: Any) -> None:
        """Send an item to the worker."""
        self.number, self.is_busy, self.since = number, True, time.monotonic()
        with suppress(OSError):  # the worker is already dead; `take` handles that
            self.connection.send(item)

    def take(self) -> Any:
        """Receive the worker's result."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            self.is_alive = False
            return Lost(f"crashed ({_ending(self._process.exitcode or 0)})")

    def stop(self) -> None:
        """Kill the process, whatever it is doing."""
        self.is_alive = False
        self.connection.close()
        self._process.kill()
        self._process.join()


def _serve(connection: Connection, function: Callable[[Any], Any], num_bytes: int | None) -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole process group, but the parent decides
    if num_bytes is not None:
        _limit_memory(num_bytes)
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        try:
            result = function(item)
        except Exception as error:
            result = error
        connection.send(result)


def limits_memory() -> bool:
    """Return whether this system can limit the memory of a process (Windows and macOS cannot)."""
    try:
        import resource  # noqa: F401 (Windows has no such module)
    except ImportError:
        return False
    return sys.platform not in ("win32", "darwin")


def _limit_memory(num_bytes: int) -> None:
    if not limits_memory():
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = num_bytes if most == resource.RLIM_INFINITY else min(num_bytes, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _ending(code: int) -> str:
    """Return how a process with this exit code ended: "SIGSEGV", "exit code 1"."""
    with suppress(ValueError):  # not a signal known on this system
        return signal.Signals(-code).name
    return f"exit code {code}"
