"""Compute answers as ClipBERT does; a reimplementation for benchmarks only.

Each question of a recording has its own copy of the frames; clips pass through the model one at a time;
frames are float32, zero-padded to squares, in NCHW layout with unfused batch norms; texts are padded to 100
tokens; attention is unfused, as in the transformers version that ClipBERT pins. There are no gradients, as in
its validation.
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
"""Added to the attention scores of padding."""


class ClipBertInference:
    """ClipBERT's inference on a clipbug model.

    Args:
        model: a model with a ResNet backbone, on the CPU; modified in place.
        max_frame_size: side of the square canvas.
    """

    def __init__(self, model: ClipBert, *, max_frame_size: int) -> None:
        # `contiguous()` would keep the channels-last strides of a 1x1 weight, and one such weight is enough
        # to switch the whole network to that layout.
        self._model = model.eval().float().to(memory_format=torch.contiguous_format)
        self._size = max_frame_size
        _separate_norms(model.visual.backbone)
        model.bert.encoder.config._attn_implementation = "eager"

    @torch.no_grad()
    def clip_logits(self, frames: Tensor, input_ids: Sequence[Sequence[int]], pad_token_id: int) -> Tensor:
        """Return the logits of every question with one clip.

        Args:
            frames: (Q, T, 3, h, w) float32, RGB in [0, 255]; one copy per question.
            input_ids: token ids of the questions.
            pad_token_id: id of the padding token.

        Returns:
            (Q, K) logits.
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
        """Return the logits of questions about one recording: (N, T, 3, h, w) -> (Q, K)."""
        count = len(input_ids)
        scores = [
            self.clip_logits(clip.expand(count, *clip.shape), input_ids, pad_token_id) for clip in clips
        ]
        return aggregate_clips(torch.stack(scores, dim=1), how)  # type: ignore[arg-type]

    def _grid(self, frames: Tensor) -> Tensor:
        """Compute the grid with the steps of the trunk, but without its change of memory layout."""
        trunk: Any = self._model.visual.backbone
        x = trunk.normalise(frames).contiguous()
        x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(x))))
        grid: Tensor = self._model.visual.grid_encoder(
            trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(x))))
        )
        return grid


def _separate_norms(module: nn.Module) -> None:
    """Replace frozen norms by batch-norm modules, as detectron2 does without gradients."""
    for name, child in list(module.named_children()):
        if type(child).__name__ != "FrozenBatchNorm2d":
            _separate_norms(child)
            continue
        frozen: Any = child
        norm = nn.BatchNorm2d(len(frozen.weight), eps=frozen.eps).eval()
        norm.load_state_dict(frozen.state_dict(), strict=False)  # without num_batches_tracked
        setattr(module, name, norm)
