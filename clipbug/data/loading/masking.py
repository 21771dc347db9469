"""Mask tokens for masked language modelling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

NO_TARGET = -100
_SHARE_MASKED = 0.8
_SHARE_RANDOM = 0.1


@dataclass(frozen=True, slots=True)
class TokenMasker:
    """Chooses tokens to predict: 80 % of them become [MASK], 10 % a random token, 10 % stay as they are.

    Special tokens are not chosen, unless requested: ClipBERT masks [CLS] and [SEP] too, by an oversight
    of its tokenizer.

    Attributes:
        probability: of each token to be chosen.
        ordinary_ids: ids that are no special tokens, which random tokens are drawn from.
        hides_at_least_one: choose a token at random where chance chose none.
    """

    probability: float
    mask_id: int
    special_ids: frozenset[int]
    ordinary_ids: NDArray[np.int64]
    hides_at_least_one: bool = True

    @classmethod
    def of_tokenizer(
        cls, tokenizer: PreTrainedTokenizerBase, *, probability: float, special_tokens: bool = False
    ) -> Self:
        """Create a masker for texts of a tokenizer.

        Args:
            special_tokens: do as ClipBERT: [CLS] and [SEP] are masked like words, random tokens may be
                special ones, and a text may have no hidden token at all.

        Raises:
            ValueError: `probability` is not in (0, 1).
        """
        if not 0 < probability < 1:
            raise ValueError(f"probability must be in (0, 1), got {probability}")
        special_ids = frozenset() if special_tokens else frozenset(tokenizer.all_special_ids)
        ordinary = [index for index in sorted(tokenizer.get_vocab().values()) if index not in special_ids]
        assert isinstance(tokenizer.mask_token_id, int), "load_tokenizer has checked the special tokens"
        return cls(
            probability,
            tokenizer.mask_token_id,
            special_ids,
            np.array(ordinary, dtype=np.int64),
            hides_at_least_one=not special_tokens,
        )

    def __call__(self, input_ids: Sequence[int], generator: np.random.Generator) -> tuple[list[int], Tensor]:
        """Return the ids that the model sees, and those that it should predict.

        Shape:
            input_ids: L. Second result: (L,) int64, the true id of chosen tokens, -100 elsewhere (everywhere
            only in a text of nothing but special tokens).
        """
        ids = np.array(input_ids, dtype=np.int64)
        is_ordinary = np.array([token not in self.special_ids for token in input_ids], dtype=bool)
        chosen = is_ordinary & (generator.random(len(ids)) < self.probability)
        if self.hides_at_least_one and is_ordinary.any() and not chosen.any():
            chosen[generator.choice(np.flatnonzero(is_ordinary))] = True
        fate = generator.random(len(ids))
        replacements = generator.choice(self.ordinary_ids, len(ids))
        masked = chosen & (fate < _SHARE_MASKED)
        replaced = chosen & ~masked & (fate < _SHARE_MASKED + _SHARE_RANDOM)
        labels = np.where(chosen, ids, NO_TARGET)
        shown = np.where(masked, self.mask_id, np.where(replaced, replacements, ids))
        return shown.tolist(), torch.from_numpy(labels)
