"""Random seeds that depend only on the run's seed and the step.

Every optimizer step seeds all generators from (seed, step, rank). A resumed run therefore draws the same
numbers as one that never stopped, without saving any generator's state, and nothing that happens between two
steps (validation, starting loader workers, saving a checkpoint) affects training.
"""

import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch (CPU and all GPUs)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def step_seed(seed: int, *, step: int, rank: int) -> int:
    """Return the seed of one step on one process; unrelated for neighbouring steps, ranks and seeds."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])
