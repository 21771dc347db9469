"""Where a training stands, apart from weights and optimizer."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class TrainState:
    """Counts and best score; a checkpoint's state.json holds these fields.

    Attributes:
        step: optimizer steps done, skipped ones included.
        position: micro-batches that each process has consumed.
        best_score, best_step: of the best validation so far, or None.
        world_size, batch_size: number of processes, and visuals in each one's micro-batch: with `position`
            they say which data has been seen.
        skipped_steps: steps whose update was left out because it was not finite.
        validated_step: the last step whose validation is complete; a signal may come in the middle of one.
        meter: what has been measured since the last log, so that a resumed run logs the same means.
    """

    step: int = 0
    position: int = 0
    best_score: float | None = None
    best_step: int | None = None
    world_size: int = 1
    batch_size: int = 1
    skipped_steps: int = 0
    validated_step: int = 0
    meter: dict[str, dict[str, float]] = field(default_factory=dict)
