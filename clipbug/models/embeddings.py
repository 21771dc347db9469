"""Embed grid features as visual tokens of the transformer."""

import math

import torch
from torch import Tensor, nn

from clipbug.errors import ConfigError

CLIP_FREQUENCIES = 8
TOKEN_TYPE_STD = 0.02
POSITION_STD = 0.3
"""Grid features are of order 1, so positions at BERT's 0.02 would have no effect for many steps."""


class VisualEmbeddings(nn.Module):
    """Adds position and token type to each grid cell and normalizes; tensor names are ClipBERT's.

    Args:
        hidden_size: Width.
        max_grid_size: Number of rows and columns that have an embedding.
        layer_norm_eps: Epsilon of the final norm.
        dropout: Dropout after the final norm.
        clip_positions: Also embed the clip's position in the recording.
        sampled_tokens: Maximum number of cells in training, sampled in each pass and shared by all clips
            (Pixel-BERT's pixel random sampling, which ClipBERT uses in pre-training); None for all.
    """

    def __init__(
        self,
        hidden_size: int,
        *,
        max_grid_size: int,
        layer_norm_eps: float,
        dropout: float,
        clip_positions: bool = False,
        sampled_tokens: int | None = None,
    ) -> None:
        super().__init__()
        self.sampled_tokens = sampled_tokens
        self.row_position_embeddings = nn.Embedding(max_grid_size, hidden_size)
        self.col_position_embeddings = nn.Embedding(max_grid_size, hidden_size)
        self.token_type_embeddings = nn.Embedding(1, hidden_size)
        self.clip_position_embeddings = ClipPositionEmbedding(hidden_size) if clip_positions else None
        self.LayerNorm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.row_position_embeddings.weight, std=POSITION_STD)
        nn.init.normal_(self.col_position_embeddings.weight, std=POSITION_STD)
        nn.init.normal_(self.token_type_embeddings.weight, std=TOKEN_TYPE_STD)

    def forward(self, grid: Tensor, clip_positions: Tensor | None = None) -> Tensor:
        """Compute visual tokens, row by row.

        Args:
            grid: Grids of clips.
            clip_positions: Positions in [0, 1]; read only with clip position embedding.

        Returns:
            Visual tokens.

        Shape:
            grid: (R, h, w, D), R clips.
            clip_positions: (R,).
            returns: (R, V, D) with V = h * w, or `sampled_tokens` of them in training.

        Raises:
            ConfigError: The grid has more rows or columns than have an embedding.
            ValueError: `clip_positions` is required but missing.
        """
        height, width = grid.shape[1:3]
        if max(height, width) > self.row_position_embeddings.num_embeddings:
            raise ConfigError(
                f"frames yield a grid of {height}x{width} cells, but model.max_grid_size is "
                f"{self.row_position_embeddings.num_embeddings}",
                hint="raise model.max_grid_size or lower max_frame_size",
            )
        rows = self.row_position_embeddings.weight[:height, None]
        columns = self.col_position_embeddings.weight[:width]
        cells = self._sampled((grid + rows + columns).flatten(1, 2))
        tokens: Tensor = cells + self.token_type_embeddings.weight
        if self.clip_position_embeddings is not None:
            if clip_positions is None:
                raise ValueError("this model needs clip_positions")
            tokens = tokens + self.clip_position_embeddings(clip_positions)[:, None]
        embedded: Tensor = self.dropout(self.LayerNorm(tokens))
        return embedded

    def _sampled(self, cells: Tensor) -> Tensor:
        """Sample cells, keeping their order. Shape: (R, h * w, D) -> (R, V, D)."""
        if not self.training or self.sampled_tokens is None or cells.shape[1] <= self.sampled_tokens:
            return cells
        kept = torch.randperm(cells.shape[1])[: self.sampled_tokens].sort().values
        return cells[:, kept.to(cells.device)]


class ClipPositionEmbedding(nn.Module):
    """Linear layer on a few cosines of the position: smooth, and defined for any number of clips."""

    frequencies: Tensor

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * torch.arange(1, CLIP_FREQUENCIES + 1), persistent=False)
        self.linear = nn.Linear(CLIP_FREQUENCIES, hidden_size, bias=False)
        nn.init.normal_(self.linear.weight, std=POSITION_STD / CLIP_FREQUENCIES**0.5)

    def forward(self, clip_positions: Tensor) -> Tensor:
        """Embed clip positions. Shape: (R,) in [0, 1] -> (R, D)."""
        embedding: Tensor = self.linear(torch.cos(clip_positions[:, None] * self.frequencies))
        return embedding
