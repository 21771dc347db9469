"""ClipBERT: several short clips of a recording and several texts about it, to per-clip outputs.

Letters: B visuals, N clips, T frames per clip, H W pixels, h w grid cells, Q text rows, L text tokens,
S = L + h * w, D hidden, K classes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from clipbug.models.fusion import FusionEncoder
from clipbug.models.heads import Head
from clipbug.models.outputs import FusionOutput, PretrainingOutput
from clipbug.models.visual import VisualEncoder

FRAME_DIMENSIONS = 6
FRAMES_PER_CALL = 32
SEQUENCES_PER_CALL = 256
"""Without gradients nothing has to be kept, so a batch goes through in portions and memory stays bounded."""


class ClipBert(nn.Module):
    """Visual encoder, fusion encoder and head.

    Every frame passes the backbone once, however many text rows ask about it; every text row meets every clip
    of its visual. Clips are scored apart; `aggregate_clips` makes one answer of them.
    """

    def __init__(self, *, visual: VisualEncoder, bert: FusionEncoder, head: Head) -> None:
        super().__init__()
        self.visual = visual
        self.bert = bert
        self.head = head

    @property
    def frame_multiple(self) -> int:
        """H and W of frames that are multiples of this lose no pixel at the border."""
        return self.visual.frame_multiple

    def encode_frames(self, frames: Tensor) -> Tensor:
        """The grid of every clip: its frames averaged in feature space.

        Shape:
            frames: (B, N, T, 3, H, W) uint8 or float, RGB in [0, 255].
            returns: (B, N, h, w, D).
        """
        grid: Tensor = _in_portions(self.visual, [frames.flatten(0, 2)], size=FRAMES_PER_CALL)
        per_frame = grid.view(*frames.shape[:3], *grid.shape[1:])
        return per_frame.mean(dim=2)

    def fuse(
        self,
        grid: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        visual_index: Tensor,
        clip_positions: Tensor | None = None,
    ) -> FusionOutput:
        """Encode every text row with every clip of its visual, as Q * N sequences in one call.

        Shape:
            grid: (B, N, h, w, D), of `encode_frames`.
            input_ids, attention_mask: (Q, L), mask 1 on real tokens.
            visual_index: (Q,) int64, the row of `grid` that a text row looks at.
            clip_positions: (B, N) in [0, 1]; read only by a model with clip position embedding.
        """
        num_clips = grid.shape[1]
        rows_and_clips = (len(input_ids), num_clips)
        tensors = [
            grid[visual_index].flatten(0, 1),
            input_ids.repeat_interleave(num_clips, dim=0),
            attention_mask.repeat_interleave(num_clips, dim=0),
        ]
        if clip_positions is not None:
            tensors.append(clip_positions[visual_index].flatten())
        sequence, pooled = _in_portions(self.bert, tensors, size=SEQUENCES_PER_CALL)
        return FusionOutput(sequence.unflatten(0, rows_and_clips), pooled.unflatten(0, rows_and_clips))

    def score(
        self,
        grid: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        visual_index: Tensor,
        clip_positions: Tensor | None = None,
    ) -> Tensor | PretrainingOutput:
        """Per-clip outputs of the head for visuals that are encoded already.

        Shape:
            grid: (B, N, h, w, D), of `encode_frames`; others as `fuse`.
            returns: (Q, N, K), or PretrainingOutput.
        """
        fusion = self.fuse(grid, input_ids, attention_mask, visual_index, clip_positions)
        output: Tensor | PretrainingOutput = self.head(fusion, num_text_tokens=input_ids.shape[1])
        return output

    def forward(
        self,
        frames: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        visual_index: Tensor,
        clip_positions: Tensor | None = None,
    ) -> Tensor | PretrainingOutput:
        """Per-clip outputs of the head.

        Shape:
            frames: (B, N, T, 3, H, W) uint8 or float, RGB in [0, 255]; or their grid (B, N, h, w, D), so
                that a task can be asked again and again about visuals that are encoded once.
            input_ids, attention_mask: (Q, L); visual_index: (Q,); clip_positions: (B, N).
            returns: (Q, N, K), or PretrainingOutput.
        """
        grid = self.encode_frames(frames) if frames.ndim == FRAME_DIMENSIONS else frames
        return self.score(grid, input_ids, attention_mask, visual_index, clip_positions)


def _in_portions(module: Callable[..., Any], tensors: Sequence[Tensor], *, size: int) -> Any:
    """`module(*tensors)`, without gradients in portions of `size` rows, joined along the first dimension."""
    if torch.is_grad_enabled() or len(tensors[0]) <= size:
        return module(*tensors)
    outputs = [
        module(*portion) for portion in zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)
    ]
    if isinstance(outputs[0], tuple):
        return tuple(torch.cat(parts) for parts in zip(*outputs, strict=True))
    return torch.cat(outputs)
