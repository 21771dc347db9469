"""Progress of a training run, apart from weights and optimizer."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class TrainState:
    """Counters and best score, saved as a checkpoint's state.json.

    Attributes:
        step: Completed optimizer steps, including skipped ones.
        position: Micro-batches that each process has consumed.
        best_score: Score of the best validation so far, or None.
        best_step: Step of the best validation so far, or None.
        world_size: Number of processes; with `position` and `batch_size` it determines which data was seen.
        batch_size: Media items in each process's micro-batch.
        skipped_steps: Steps whose update was skipped because of NaN or infinite values.
        validated_step: Last step whose validation is complete; a signal may interrupt a validation.
        meter: Measurements since the last log, so that a resumed run logs the same means.
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
