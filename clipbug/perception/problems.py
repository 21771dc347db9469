"""What went wrong, as far as the screen shows it. Usually nothing: each rule needs evidence that is seen."""

from collections.abc import Sequence

from clipbug.perception.events import Reading
from clipbug.perception.plateaus import Motion
from clipbug.perception.timeline import Event, Problem


def find_problem(reading: Reading, motion: Motion, events: Sequence[Event]) -> Problem | None:
    """Return the most certain problem, or None."""
    return None
