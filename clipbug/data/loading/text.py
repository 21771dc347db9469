"""Texts to token ids and padded tensors, the same for training, inference and rankings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

TokenIds = Sequence[int]
"""Token ids of one text, with [CLS] and [SEP], not padded."""


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """Tokenizes and pads the texts that a model reads. Picklable.

    Attributes:
        tokenizer: of the model.
        max_text_tokens: longer texts are cut; [CLS] and [SEP] count.
    """

    tokenizer: PreTrainedTokenizerBase
    max_text_tokens: int

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, with [CLS] and [SEP], not padded."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_text_tokens)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def pad(self, token_ids: Sequence[TokenIds]) -> tuple[Tensor, Tensor]:
        """Return input_ids and attention_mask; see `pad_texts`."""
        return pad_texts(token_ids, self.tokenizer.pad_token_id)


def pad_texts(token_ids: Sequence[TokenIds], pad_token_id: int) -> tuple[Tensor, Tensor]:
    """Pad texts at the end to the length of the longest.

    Shape:
        returns: input_ids and attention_mask, both (Q, L) int64; the mask is 1 on real tokens.
    """
    if not token_ids:
        empty = torch.zeros(0, 0, dtype=torch.int64)
        return empty, empty.clone()
    rows = [torch.tensor(ids) for ids in token_ids]
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return pad_sequence(rows, batch_first=True, padding_value=pad_token_id), mask


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Texts as token ids, and the id that pads shorter ones."""

    input_ids: Sequence[TokenIds]
    pad_token_id: int

    def portions(self, size: int) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """Yield (indices, input_ids, attention_mask) of up to `size` texts each, shortest first, padded."""
        order = sorted(range(len(self.input_ids)), key=lambda index: (len(self.input_ids[index]), index))
        for start in range(0, len(order), size):
            indices = order[start : start + size]
            yield indices, *pad_texts([self.input_ids[index] for index in indices], self.pad_token_id)
