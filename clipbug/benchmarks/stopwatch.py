"""Seconds on the clock and of the processors, side by side."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """What something took: on the clock, and of all processors together.

    Other work on the machine stretches the first several times over and the second by much less.
    """

    seconds: float
    processor_seconds: float

    def times(self, factor: float) -> "Times":
        """As much work so many times over."""
        return Times(self.seconds * factor, self.processor_seconds * factor)

    def plus(self, other: "Times") -> "Times":
        """One after the other."""
        return Times(self.seconds + other.seconds, self.processor_seconds + other.processor_seconds)


class Stopwatch:
    """Begins at its making."""

    def __init__(self) -> None:
        self._started = Times(time.perf_counter(), time.process_time())

    def read(self) -> Times:
        """Since then."""
        return Times(time.perf_counter(), time.process_time()).plus(self._started.times(-1.0))
