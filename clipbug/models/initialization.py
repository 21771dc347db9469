"""How wide random weights start."""

import math

BERT_STD = 0.02
BERT_WIDTH = 768


def initial_std(width: int) -> float:
    """Standard deviation of a random weight: BERT's 0.02 at BERT's width, more in a narrower model.

    A layer's output grows with the square root of its width: with 0.02 at width 128 the encoder passes on
    so little of its input that training from scratch stays at the most frequent answer for hundreds of
    steps.
    """
    return BERT_STD * math.sqrt(BERT_WIDTH / width)
