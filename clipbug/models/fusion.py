"""Joint encoding of text and visual tokens: one BERT over both."""

import torch
from torch import Tensor, nn
from transformers import BertModel

from clipbug.errors import ConfigError
from clipbug.models.embeddings import VisualEmbeddings


class FusionEncoder(nn.Module):
    """BERT over [text ; visual]. Text padding is masked, visual tokens never are.

    Args:
        bert: its embeddings, layers and pooler become this module's, under their names.
        visual_embeddings: grid to visual tokens of the same width.
    """

    def __init__(self, *, bert: BertModel, visual_embeddings: VisualEmbeddings) -> None:
        super().__init__()
        if bert.pooler is None:
            raise ValueError("the fusion encoder needs a BERT with a pooler")
        self.embeddings = bert.embeddings
        self.visual_embeddings = visual_embeddings
        self.encoder = bert.encoder
        self.pooler = bert.pooler

    def forward(
        self, grid: Tensor, input_ids: Tensor, attention_mask: Tensor, clip_positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode R pairs of a clip and a text.

        Shape:
            grid: (R, h, w, D); input_ids, attention_mask: (R, L); clip_positions: (R,) in [0, 1].
            returns: sequence (R, S, D) with S = L + h * w, text first; pooled (R, D).

        Raises:
            ConfigError: a text longer than the position embeddings, or too large a grid.
        """
        longest = self.embeddings.position_embeddings.num_embeddings
        if input_ids.shape[1] > longest:
            raise ConfigError(
                f"a text of {input_ids.shape[1]} tokens; the encoder has {longest} text positions",
                hint=f"data.max_text_tokens <= {longest}, or a greater model.encoder.max_position_embeddings",
            )
        tokens = torch.cat([self.embeddings(input_ids), self.visual_embeddings(grid, clip_positions)], dim=1)
        visible = attention_mask.new_ones(tokens.shape[:2], dtype=torch.bool)
        visible[:, : input_ids.shape[1]] = attention_mask.bool()
        sequence = self.encoder(tokens, attention_mask=visible[:, None, None, :]).last_hidden_state
        return sequence, self.pooler(sequence)
