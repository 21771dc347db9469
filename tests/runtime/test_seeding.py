import random

import numpy as np
import torch

from clipbug.runtime.seeding import seed_everything, step_seed


def _draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))


def test_same_seed_same_numbers_in_all_generators() -> None:
    seed_everything(7)
    first = _draw()
    seed_everything(7)
    assert _draw() == first
    seed_everything(8)
    assert all(new != old for new, old in zip(_draw(), first, strict=True))


def test_steps_ranks_and_seeds_have_seeds_of_their_own() -> None:
    seeds = {
        step_seed(seed, step=step, rank=rank) for seed in (0, 1) for step in range(50) for rank in range(4)
    }
    assert len(seeds) == 2 * 50 * 4
    assert step_seed(0, step=1, rank=0) == step_seed(0, step=1, rank=0)
    assert all(0 <= seed < 2**32 for seed in seeds)
