"""Joint encoding of text and visual tokens with one BERT."""

import torch
from torch import Tensor, nn
from transformers import BertModel

from clipbug.errors import ConfigError
from clipbug.models.embeddings import VisualEmbeddings


class FusionEncoder(nn.Module):
    """BERT over [text ; visual]. Text padding is masked, visual tokens never are.

    Args:
        bert: Its embeddings, layers and pooler become this module's, with their names.
        visual_embeddings: Embeds grids as visual tokens of the same width.
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

        Args:
            grid: Grids of clips.
            input_ids: Token ids.
            attention_mask: 1 at real tokens.
            clip_positions: Positions in [0, 1], if the model uses them.

        Returns:
            Sequence (text first) and pooled encoding.

        Shape:
            grid: (R, h, w, D); input_ids, attention_mask: (R, L); clip_positions: (R,).
            returns: sequence (R, S, D) with S = L + h * w; pooled (R, D).

        Raises:
            ConfigError: A text is longer than the position embeddings, or the grid is too large.
        """
        max_tokens = self.embeddings.position_embeddings.num_embeddings
        if input_ids.shape[1] > max_tokens:
            raise ConfigError(
                f"a text has {input_ids.shape[1]} tokens, but the encoder has {max_tokens} text positions",
                hint=f"set data.max_text_tokens to at most {max_tokens},"
                " or raise model.encoder.max_position_embeddings",
            )
        tokens = torch.cat([self.embeddings(input_ids), self.visual_embeddings(grid, clip_positions)], dim=1)
        visible = attention_mask.new_ones(tokens.shape[:2], dtype=torch.bool)
        visible[:, : input_ids.shape[1]] = attention_mask.bool()
        sequence = self.encoder(tokens, attention_mask=visible[:, None, None, :]).last_hidden_state
        return sequence, self.pooler(sequence)
