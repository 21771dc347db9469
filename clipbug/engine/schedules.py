"""The learning rate as a function of the step."""

import math
from typing import Literal

Schedule = Literal["linear", "cosine", "constant"]


def learning_rate_factor(step: int, *, schedule: Schedule, warmup_steps: int, total_steps: int) -> float:
    """Share of the peak learning rate that the update number `step` takes.

    Args:
        step: the first update is 1, as in the original.
        schedule: after the warm-up "linear" falls to 0 at the last step, "cosine" does so along a half wave,
            "constant" stays at 1.
        warmup_steps: the rate rises linearly to its peak at this step.
        total_steps: number of the last update.

    Raises:
        ValueError: the first update is step 1, not 0.
    """
    if step < 1:
        raise ValueError(f"the first step is 1, got {step}")
    if step < warmup_steps:
        return step / warmup_steps
    left = max(total_steps - step, 0) / max(total_steps - warmup_steps, 1)
    match schedule:
        case "linear":
            return left
        case "cosine":
            return 0.5 * (1 - math.cos(math.pi * left))
        case "constant":
            return 1.0
