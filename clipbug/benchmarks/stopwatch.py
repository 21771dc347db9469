"""Measure wall-clock and CPU time together."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """Wall-clock and CPU seconds.

    Other work on the machine can multiply the wall-clock time, but affects the CPU time much less.
    """

    seconds: float
    processor_seconds: float

    def times(self, factor: float) -> "Times":
        """Return the times multiplied by a factor."""
        return Times(self.seconds * factor, self.processor_seconds * factor)

    def plus(self, other: "Times") -> "Times":
        """Return the sum of the times."""
        return Times(self.seconds + other.seconds, self.processor_seconds + other.processor_seconds)


class Stopwatch:
    """A stopwatch that starts when it is created."""

    def __init__(self) -> None:
        self._started = Times(time.perf_counter(), time.process_time())

    def read(self) -> Times:
        """Return the times since the start."""
        return Times(time.perf_counter(), time.process_time()).plus(self._started.times(-1.0))
