"""Learning rate schedules as functions of the step."""

import math
from collections.abc import Sequence
from typing import Literal

Schedule = Literal["linear", "cosine", "inverse_sqrt", "constant", "multi_step"]
MULTI_STEP_FACTOR = 0.5


def learning_rate_factor(
    step: int,
    *,
    schedule: Schedule,
    warmup_steps: int,
    total_steps: int,
    milestones: Sequence[int] = (),
) -> float:
    """Return the fraction of the peak learning rate at a step.

    All schedules but "cosine" are ClipBERT's. Two of its bugs are not reproduced: its "multi_step" lowers the
    rate twice at the last milestone, and its "inverse_sqrt" without warm-up divides by zero at step 0 and is
    0 from then on (here it behaves like a warm-up of one step).

    Args:
        step: Step number; the first update is 1, as in ClipBERT.
        schedule: After the warm-up, "linear" decays to 0 at the last step, "cosine" decays along a half
            cosine wave, and "inverse_sqrt" decays as 1 / sqrt(step). "constant" is always 1 and "multi_step"
            halves at each milestone; both ignore the warm-up.
        warmup_steps: Step at which the linear warm-up reaches the peak.
        total_steps: Number of the last update.
        milestones: Steps at which "multi_step" is halved.

    Returns:
        Factor in [0, 1].

    Raises:
        ValueError: `step` is less than 1.
    """
    if step < 1:
        raise ValueError(f"step must be at least 1, got {step}")
    if schedule == "constant":
        return 1.0
    if schedule == "multi_step":
        return MULTI_STEP_FACTOR ** sum(step >= milestone for milestone in milestones)
    if step < warmup_steps:
        return step / warmup_steps
    if schedule == "inverse_sqrt":
        return math.sqrt(max(warmup_steps, 1) / step)
    remaining = max(total_steps - step, 0) / max(total_steps - warmup_steps, 1)
    return remaining if schedule == "linear" else 0.5 * (1 - math.cos(math.pi * remaining))
