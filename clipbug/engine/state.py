"""Where a training stands, apart from weights and optimizer."""

from dataclasses import dataclass


@dataclass(slots=True)
class TrainState:
    """Counts and best score; a checkpoint's state.json holds these fields.

    Attributes:
        step: optimizer steps done.
        position: micro-batches that each process has consumed.
        best_score, best_step: of the best validation so far, or None.
        world_size: number of processes; each sees other data, so a run goes on with as many as it began.
    """

    step: int = 0
    position: int = 0
    best_score: float | None = None
    best_step: int | None = None
    world_size: int = 1
