"""Outputs of the model's modules.

Letters as in `clipbug.data.loading.batch`, plus V visual tokens, S = L + V, D hidden.
"""

from typing import NamedTuple

from torch import Tensor


class FusionOutput(NamedTuple):
    """Joint encoding of every text with every clip of its media item.

    Shape:
        sequence: (Q, N, S, D), text tokens first. In an inference graph whose head reads no tokens, the first
            token alone: (Q, N, 1, D).
        pooled: (Q, N, D), tanh of a dense layer on the first token.
    """

    sequence: Tensor
    pooled: Tensor


class PretrainingOutput(NamedTuple):
    """Token scores and matching scores.

    Shape:
        mlm_logits: (Q, N, L, vocabulary).
        matching_logits: (Q, N, 2), class 1 = text and media item belong together.
    """

    mlm_logits: Tensor
    matching_logits: Tensor
