"""The learning rate as a function of the step."""

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
    """Share of the peak learning rate that the update number `step` takes.

    All but "cosine" are ClipBERT's. Two of its defects are not taken over: its "multi_step" lowers the rate
    twice at the last milestone, and without warm-up its "inverse_sqrt" divides by zero at step 0 and is 0
    from then on (here it is as with a warm-up of one step).

    Args:
        step: the first update is 1, as in the original.
        schedule: after the warm-up "linear" falls to 0 at the last step, "cosine" does so along a half wave,
            "inverse_sqrt" falls as 1 / sqrt(step). Without any warm-up "constant" is 1 and "multi_step"
            halves at each milestone.
        warmup_steps: the rate rises linearly to its peak at this step.
        total_steps: number of the last update.
        milestones: steps from which "multi_step" is halved once more.

    Raises:
        ValueError: the first update is step 1, not 0.
    """
    if step < 1:
        raise ValueError(f"the first step is 1, got {step}")
    if schedule == "constant":
        return 1.0
    if schedule == "multi_step":
        return MULTI_STEP_FACTOR ** sum(step >= milestone for milestone in milestones)
    if step < warmup_steps:
        return step / warmup_steps
    if schedule == "inverse_sqrt":
        return math.sqrt(max(warmup_steps, 1) / step)
    left = max(total_steps - step, 0) / max(total_steps - warmup_steps, 1)
    return left if schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))
