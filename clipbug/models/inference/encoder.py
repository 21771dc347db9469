"""BERT's layers as inference runs them: in fewer products, and of the last layer only what is read."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Encoded(NamedTuple):
    """Named as BERT names it. Shape: (R, S, D), or (R, 1, D) of the first token alone."""

    last_hidden_state: Tensor


class LinearStep(nn.Module):
    """A linear layer and what follows it, so that one operation can do both (`onednn`).

    Args:
        linear: taken over.
        has_gelu: whether GELU follows.
    """

    def __init__(self, linear: nn.Linear, *, has_gelu: bool = False) -> None:
        super().__init__()
        self.linear = linear
        self.has_gelu = has_gelu

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """Shape: (..., in) -> (..., out); `add`, of that shape, is added at the end."""
        y: Tensor = self.linear(x)
        y = F.gelu(y) if self.has_gelu else y
        return y if add is None else y + add


class InferenceEncoder(nn.Module):
    """The layers of a BERT encoder, without dropout.

    Args:
        encoder: transformers' BertEncoder; its weights become this module's.
        first_token_only: heads that read only the pooled encoding need no other token of the last layer:
            there keys and values are computed of all tokens, everything else of the first.
    """

    def __init__(self, encoder: nn.Module, *, first_token_only: bool) -> None:
        super().__init__()
        layers: Any = encoder
        heads = layers.config.num_attention_heads
        self.layers = nn.ModuleList(_Layer(layer, num_heads=heads) for layer in layers.layer)
        self.first_token_only = first_token_only

    def forward(self, tokens: Tensor, *, attention_mask: Tensor) -> Encoded:
        """Encode R sequences.

        Shape:
            tokens: (R, S, D).
            attention_mask: (R, 1, 1, S) bool, True where a token may be looked at.
        """
        mask = None if attention_mask.all() else attention_mask
        for layer in self.layers[:-1]:
            tokens = layer(tokens, mask, tokens)
        queries = tokens[:, :1] if self.first_token_only else tokens
        return Encoded(self.layers[-1](tokens, mask, queries))


class _Layer(nn.Module):
    """One layer: attention, then two linear layers with GELU between, norms behind sums."""

    def __init__(self, layer: nn.Module, *, num_heads: int) -> None:
        super().__init__()
        bert: Any = layer
        attention = bert.attention.self
        self.num_heads = num_heads
        self.query = LinearStep(attention.query)
        self.key_value = LinearStep(_side_by_side(attention.key, attention.value))
        self.attended = LinearStep(bert.attention.output.dense)
        self.attended_norm: nn.LayerNorm = bert.attention.output.LayerNorm
        self.widen = LinearStep(bert.intermediate.dense, has_gelu=True)
        self.narrow = LinearStep(bert.output.dense)
        self.norm: nn.LayerNorm = bert.output.LayerNorm

    def forward(self, tokens: Tensor, mask: Tensor | None, queries: Tensor) -> Tensor:
        """Shape: tokens (R, S, D); queries, those of them to encode: (R, T, D) -> (R, T, D)."""
        query = self._heads(self.query(queries))
        key, value = (self._heads(part) for part in self.key_value(tokens).chunk(2, dim=-1))
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        attended = attended.transpose(1, 2).flatten(2)
        hidden = self.attended_norm(self.attended(attended, queries))
        encoded: Tensor = self.norm(self.narrow(self.widen(hidden), hidden))
        return encoded

    def _heads(self, x: Tensor) -> Tensor:
        """(R, S, D) -> (R, heads, S, D / heads)."""
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)


def _side_by_side(*linears: nn.Linear) -> nn.Linear:
    """One layer that gives what each of them gives, one after the other."""
    weight = torch.cat([linear.weight for linear in linears])
    merged = nn.Linear(weight.shape[1], weight.shape[0], device="meta", dtype=weight.dtype)
    merged.weight = nn.Parameter(weight, requires_grad=False)
    merged.bias = nn.Parameter(torch.cat([linear.bias for linear in linears]), requires_grad=False)
    return merged
