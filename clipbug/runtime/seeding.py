"""Random numbers that depend on the seed and the place in the run, and on nothing else.

Every optimizer step seeds all generators from (seed, step, rank). So no generator's state has to be saved for
a resumed run to draw what a run that never stopped draws, and nothing that happens between two steps (a
validation, a loader that starts its workers, a checkpoint) changes the training.
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
    """The seed of one optimizer step on one process; unrelated for neighbouring steps, ranks and seeds."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])
