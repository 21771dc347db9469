"""How the original computes answers, in our own words, for benchmarks only.

Each question of a recording brings its own copy of the frames; clips go through one at a time; frames are
float32, zero-padded to squares, in rows of planes (NCHW) with batch norms of their own; texts are padded to
100 tokens; attention is made of single operations, as in the transformers version that it pins.
It validates without gradients, and so does this.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipbug.models.aggregation import aggregate_clips
from clipbug.models.clipbert import ClipBert

MAX_TEXT_TOKENS = 100
MASKED = -10000.0
"""Added to the attention of padding."""


class OriginalInference:
    """The original's way through a model of ours.

    Args:
        model: with a ResNet backbone, on a CPU; changed in place.
        max_frame_size: side of the square canvas.
    """

    def __init__(self, model: ClipBert, *, max_frame_size: int) -> None:
        # `contiguous()` would leave a 1x1 weight the strides of channels last, and one such weight is enough
        # to turn the whole network over to that layout.
        self._model = model.eval().float().to(memory_format=torch.contiguous_format)
        self._size = max_frame_size
        _separate_norms(model.visual.backbone)
        model.bert.encoder.config._attn_implementation = "eager"

    @torch.no_grad()
    def clip_logits(self, frames: Tensor, input_ids: Sequence[Sequence[int]], pad_token_id: int) -> Tensor:
        """Scores of every question with one clip.

        Shape:
            frames: (Q, T, 3, h, w) float32, RGB in [0, 255]: each question's own copy.
            returns: (Q, K).
        """
        square = F.pad(frames, (0, self._size - frames.shape[-1], 0, self._size - frames.shape[-2]))
        grid = self._grid(square.flatten(0, 1))
        ids = torch.full((len(input_ids), MAX_TEXT_TOKENS), pad_token_id)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(input_ids):
            ids[row, : len(text)], mask[row, : len(text)] = torch.tensor(text), 1
        bert = self._model.bert
        visual = bert.visual_embeddings(grid.view(*frames.shape[:2], *grid.shape[1:]).mean(dim=1))
        tokens = torch.cat([bert.embeddings(ids), visual], dim=1)
        hidden = F.pad((1.0 - mask) * MASKED, (0, visual.shape[1]))[:, None, None]
        sequence = bert.encoder(tokens, attention_mask=hidden).last_hidden_state
        head: nn.Module = self._model.head.get_submodule("classifier")
        logits: Tensor = head(bert.pooler(sequence))
        return logits

    def pooled_logits(
        self, clips: Tensor, input_ids: Sequence[Sequence[int]], pad_token_id: int, how: str = "logsumexp"
    ) -> Tensor:
        """Scores of questions about one recording, clip after clip. Shape: (N, T, 3, h, w) -> (Q, K)."""
        count = len(input_ids)
        scores = [
            self.clip_logits(clip.expand(count, *clip.shape), input_ids, pad_token_id) for clip in clips
        ]
        return aggregate_clips(torch.stack(scores, dim=1), how)  # type: ignore[arg-type]

    def _grid(self, frames: Tensor) -> Tensor:
        """The trunk's own steps, without its change of layout."""
        trunk: Any = self._model.visual.backbone
        x = trunk.normalise(frames).contiguous()
        x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(x))))
        grid: Tensor = self._model.visual.grid_encoder(
            trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(x))))
        )
        return grid


def _separate_norms(module: nn.Module) -> None:
    """Frozen norms as one batch-norm operation each, which detectron2 uses without gradients."""
    for name, child in list(module.named_children()):
        if type(child).__name__ != "FrozenBatchNorm2d":
            _separate_norms(child)
            continue
        frozen: Any = child
        norm = nn.BatchNorm2d(len(frozen.weight), eps=frozen.eps).eval()
        norm.load_state_dict(frozen.state_dict(), strict=False)  # all but the counter of batches
        setattr(module, name, norm)
