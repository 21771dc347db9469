"""What the parts of the model hand to each other.

Letters as in `clipbug.data.loading.batch`, plus V visual tokens, S = L + V, D hidden.
"""

from typing import NamedTuple

from torch import Tensor


class FusionOutput(NamedTuple):
    """Joint encoding of every text row with every clip of its visual.

    Shape:
        sequence: (Q, N, S, D), text tokens first; in a graph for inference whose head reads no tokens, the
            first token alone: (Q, N, 1, D).
        pooled: (Q, N, D), tanh of a dense layer on the first token.
    """

    sequence: Tensor
    pooled: Tensor


class PretrainingOutput(NamedTuple):
    """Token scores and matching scores.

    Shape:
        mlm_logits: (Q, N, L, vocabulary).
        matching_logits: (Q, N, 2), class 1 = text and visual belong together.
    """

    mlm_logits: Tensor
    matching_logits: Tensor
