"""ClipBERT: several short clips of a recording and several texts about it, to per-clip outputs.

Letters: B visuals, N clips, T frames per clip, H W pixels, h w grid cells, Q text rows, L text tokens,
S = L + h * w, D hidden, K classes, P pairs of a text row and a clip.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipbug.models.fusion import FusionEncoder
from clipbug.models.heads import Head
from clipbug.models.inference.deduplication import Distinct, equal_rows
from clipbug.models.outputs import FusionOutput, PretrainingOutput
from clipbug.models.visual import VisualEncoder

FRAME_DIMENSIONS = 6
WIDTH_STEP = 4
"""Tokens. One would pad nothing, but make many small products of texts of many lengths."""


class ClipBert(nn.Module):
    """Visual encoder, fusion encoder and head.

    Every frame passes the backbone once, however many text rows ask about it; every text row meets every clip
    of its visual. Clips are scored apart; `aggregate_clips` makes one answer of them. Without gradients equal
    frames pass once too, and so do pairs of a text row and equal clips.

    Attributes:
        frames_per_call, pairs_per_call: without gradients nothing has to be kept, so work goes through in
            portions of so many: memory stays bounded whatever the number of frames, questions and clips.
    """

    def __init__(self, *, visual: VisualEncoder, bert: FusionEncoder, head: Head) -> None:
        super().__init__()
        self.visual = visual
        self.bert = bert
        self.head = head
        self.frames_per_call, self.pairs_per_call = 8, 96

    @property
    def frame_multiple(self) -> int:
        """H and W of frames that are multiples of this lose no pixel at the border."""
        return self.visual.frame_multiple

    def encode_frames(self, frames: Tensor, *, distinct: Distinct | None = None) -> Tensor:
        """The grid of every clip: its frames averaged in feature space.

        Args:
            frames: all clips of all visuals.
            distinct: which of the B * N * T frames to compute; default: all that differ, and with gradients
                all.

        Shape:
            frames: (B, N, T, 3, H, W) uint8 or float, RGB in [0, 255]; without gradients on any device.
            returns: (B, N, h, w, D), on the model's device.
        """
        flat = frames.flatten(0, 2)
        if torch.is_grad_enabled():
            grid = self.visual(flat)
        else:
            found = equal_rows(flat) if distinct is None else distinct
            device = next(self.bert.parameters()).device  # only distinct frames travel to it
            portions = torch.split(found.rows.to(flat.device), self.frames_per_call)
            grid = torch.cat([self.visual(flat[rows].to(device)) for rows in portions])
            grid = grid[found.place.to(grid.device)]
        per_frame = grid.view(*frames.shape[:3], *grid.shape[1:])
        clips: Tensor = per_frame.mean(dim=2)
        return clips

    def fuse(
        self,
        grid: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        visual_index: Tensor,
        clip_positions: Tensor | None = None,
    ) -> FusionOutput:
        """Encode every text row with every clip of its visual.

        The result grows with Q * N * S; `score` keeps only what the head makes of it.

        Shape:
            grid: (B, N, h, w, D), of `encode_frames`.
            input_ids, attention_mask: (Q, L), mask 1 on real tokens.
            visual_index: (Q,) int64, the row of `grid` that a text row looks at.
            clip_positions: (B, N) in [0, 1]; read only by a model with clip position embedding.
        """
        texts = _Texts(input_ids, attention_mask, visual_index)
        fusion: FusionOutput = self._for_pairs(grid, texts, clip_positions, lambda fusion: fusion)
        return fusion

    def score(
        self,
        grid: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        visual_index: Tensor,
        clip_positions: Tensor | None = None,
    ) -> Tensor | PretrainingOutput:
        """Per-clip outputs of the head, for visuals that are encoded already.

        Shape:
            grid: (B, N, h, w, D), of `encode_frames`; others as of `fuse`.
            returns: (Q, N, K), or PretrainingOutput.
        """
        num_text_tokens = input_ids.shape[1]
        texts = _Texts(input_ids, attention_mask, visual_index)
        output: Tensor | PretrainingOutput = self._for_pairs(
            grid, texts, clip_positions, lambda fusion: self.head(fusion, num_text_tokens=num_text_tokens)
        )
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

    def _for_pairs(
        self,
        grid: Tensor,
        texts: "_Texts",
        clip_positions: Tensor | None,
        finish: Callable[[FusionOutput], Any],
    ) -> Any:
        """What `finish` makes of the encoding of each pair: it gets (P, 1, ...), returned is (Q, N, ...)."""
        num_clips = grid.shape[1]
        portions, place = self._portions(grid, texts)
        parts = []
        for portion in portions:
            row, clip = portion // num_clips, portion % num_clips
            visual = texts.visual_index[row]
            input_ids, attention_mask = self._tokens(texts, row)
            encoded = self.bert(
                grid[visual, clip],
                input_ids,
                attention_mask,
                None if clip_positions is None else clip_positions[visual, clip],
            )
            parts.append(finish(FusionOutput(*(tensor[:, None] for tensor in encoded))))
        return _joined(parts, place, (len(texts.input_ids), num_clips))

    def _portions(self, grid: Tensor, texts: "_Texts") -> tuple[Sequence[Tensor], Tensor | None]:
        """Pairs to encode together, as numbers row * N + clip, and which of them stands for each of all.

        Without gradients only texts of one width are together: what a text is encoded to does not depend on
        its company, not even in rounding (bf16 rounds attention by its length), and little is padded.
        """
        num_clips = grid.shape[1]
        every = torch.arange(len(texts.visual_index) * num_clips, device=grid.device)
        if torch.is_grad_enabled():
            return [every], None
        stands_for = every
        if self.bert.visual_embeddings.clip_position_embeddings is None:
            found = [equal_rows(clips) for clips in grid]
            first = torch.stack([distinct.rows[distinct.place] for distinct in found]).to(grid.device)
            stands_for = every.view(-1, num_clips).gather(1, first[texts.visual_index]).flatten()
        pairs, place = torch.unique(stands_for, return_inverse=True)
        widths, order = self._widths(texts.attention_mask)[pairs // num_clips].sort(stable=True)
        groups = pairs[order].split(widths.bincount().tolist())
        portions = [portion for group in groups if len(group) for portion in group.split(self.pairs_per_call)]
        return portions, order.argsort()[place]

    def _widths(self, attention_mask: Tensor) -> Tensor:
        """(Q,) columns that each text is given: its length, rounded up; all if the head reads tokens."""
        columns = torch.arange(1, attention_mask.shape[1] + 1, device=attention_mask.device)
        if self.head.reads_tokens:
            return columns[-1:].expand(len(attention_mask))
        lengths = (attention_mask * columns).amax(dim=1)
        rounded = (lengths + WIDTH_STEP - 1) // WIDTH_STEP * WIDTH_STEP
        return rounded.clamp(max=self.bert.embeddings.position_embeddings.num_embeddings)

    def _tokens(self, texts: "_Texts", rows: Tensor) -> tuple[Tensor, Tensor]:
        """Ids and mask of texts of one width, (R, width); with gradients as they came."""
        input_ids, attention_mask = texts.input_ids[rows], texts.attention_mask[rows]
        if torch.is_grad_enabled():
            return input_ids, attention_mask
        more = int(self._widths(attention_mask[:1])) - input_ids.shape[1]  # negative: columns are cut off
        return F.pad(input_ids, (0, more)), F.pad(attention_mask, (0, more))


class _Texts(NamedTuple):
    """Text rows and the visual of each, as `fuse` takes them."""

    input_ids: Tensor
    attention_mask: Tensor
    visual_index: Tensor


def _joined(parts: Sequence[Any], place: Tensor | None, shape: tuple[int, int]) -> Any:
    """Outputs of portions of pairs, tensors or tuples of them, as one for every (row, clip)."""
    if not isinstance(parts[0], Tensor):
        return type(parts[0])(*(_joined(fields, place, shape) for fields in zip(*parts, strict=True)))
    outputs = torch.cat(list(parts)) if len(parts) > 1 else parts[0]
    if place is not None:
        outputs = outputs[place]
    return outputs.view(*shape, *outputs.shape[2:])
