"""Random numbers of the data: a function of seed, epoch and index, never of what was drawn before.

So a sample is the same whatever process reads it and whatever was read or skipped before it.
"""

import numpy as np

# Keys of the two uses differ in their first number, so the uses share no stream.
_ORDER, _SAMPLE = 0, 1


def order_of_epoch(seed: int, epoch: int, size: int) -> list[int]:
    """Return 0 ... size - 1 in the order of one epoch."""
    order: list[int] = _generator(seed, _ORDER, epoch, 0).permutation(size).tolist()
    return order


def generator_of_sample(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Return the generator for everything random about one sample in one epoch."""
    return _generator(seed, _SAMPLE, epoch, index)


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
