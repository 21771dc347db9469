"""ClipBERT: several short clips of a recording and several texts about it in, outputs per clip out.

Letters: B media items, N clips, T frames per clip, H W pixels, h w grid cells, Q texts, L text tokens,
S = L + h * w, D hidden, K classes, P pairs of a text and a clip.
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
"""Texts are padded to a multiple of this. 1 would pad nothing, but split them into many small batches."""


class ClipBert(nn.Module):
    """Visual encoder, fusion encoder and head.

    Every frame passes the backbone once, however many texts refer to it; every text meets every clip of its
    media item. Clips are scored separately; `aggregate_clips` combines them. Without gradients, equal frames
    are computed only once, and so are pairs of a text and equal clips.

    Attributes:
        frames_per_call: Frames per call of the backbone without gradients, so that memory stays bounded.
        pairs_per_call: Pairs of text and clip per call of the encoder without gradients.
    """

    def __init__(self, *, visual: VisualEncoder, bert: FusionEncoder, head: Head) -> None:
        super().__init__()
        self.visual = visual
        self.bert = bert
        self.head = head
        self.frames_per_call, self.pairs_per_call = 8, 96

    @property
    def frame_multiple(self) -> int:
        """Return the number of which H and W should be multiples, so that no border pixels are dropped."""
        return self.visual.frame_multiple

    def encode_frames(self, frames: Tensor, *, distinct: Distinct | None = None) -> Tensor:
        """Encode every clip as a grid: its frames averaged in feature space.

        Args:
            frames: All clips of all media items.
            distinct: Which of the B * N * T frames to compute. By default all that differ, and with gradients
                all.

        Returns:
            The grids, on the model's device.

        Shape:
            frames: (B, N, T, 3, H, W) uint8 or float, RGB in [0, 255]; without gradients on any device.
            returns: (B, N, h, w, D).
        """
        flat = frames.flatten(0, 2)
        if torch.is_grad_enabled():
            grid = self.visual(flat)
        else:
            found = equal_rows(flat) if distinct is None else distinct
            device = next(self.bert.parameters()).device  # only distinct frames are copied to it
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
        """Encode every text with every clip of its media item.

        The result grows with Q * N * S; `score` keeps only the head's output.

        Args:
            grid: Grids from `encode_frames`.
            input_ids: Token ids.
            attention_mask: 1 at real tokens.
            visual_index: Row of `grid` that each text refers to.
            clip_positions: Positions in [0, 1]; read only by a model with clip position embedding.

        Returns:
            The joint encodings.

        Shape:
            grid: (B, N, h, w, D).
            input_ids, attention_mask: (Q, L).
            visual_index: (Q,) int64.
            clip_positions: (B, N).
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
        """Compute per-clip outputs of the head for encoded media items; arguments as for `fuse`.

        Returns:
            Outputs of the head.

        Shape:
            grid: (B, N, h, w, D), from `encode_frames`; others as for `fuse`.
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
        """Compute per-clip outputs of the head; arguments as for `fuse`.

        Returns:
            Outputs of the head.

        Shape:
            frames: (B, N, T, 3, H, W) uint8 or float, RGB in [0, 255]; or their grid (B, N, h, w, D), so that
                a task can be evaluated repeatedly on media items that are encoded once.
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
        """Apply `finish` to the encoding of each pair; it receives (P, 1, ...), the result is (Q, N, ...)."""
        num_clips = grid.shape[1]
        portions, position = self._portions(grid, texts)
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
        return _join(parts, position, (len(texts.input_ids), num_clips))

    def _portions(self, grid: Tensor, texts: "_Texts") -> tuple[Sequence[Tensor], Tensor | None]:
        """Split the distinct pairs into portions to encode together, numbered row * N + clip.

        Without gradients, only texts of one padded length are encoded together: the encoding of a text then
        does not depend on its batch, not even by rounding (bf16 attention rounds by length), and there is
        little padding.

        Returns:
            The portions, and the position in their concatenation of each of the Q * N pairs (None: in order).
        """
        num_clips = grid.shape[1]
        every = torch.arange(len(texts.visual_index) * num_clips, device=grid.device)
        if torch.is_grad_enabled():
            return [every], None
        representative = every
        if self.bert.visual_embeddings.clip_position_embeddings is None:
            found = [equal_rows(clips) for clips in grid]
            first = torch.stack([distinct.rows[distinct.place] for distinct in found]).to(grid.device)
            representative = every.view(-1, num_clips).gather(1, first[texts.visual_index]).flatten()
        pairs, position = torch.unique(representative, return_inverse=True)
        widths, order = self._widths(texts.attention_mask)[pairs // num_clips].sort(stable=True)
        groups = pairs[order].split(widths.bincount().tolist())
        portions = [portion for group in groups if len(group) for portion in group.split(self.pairs_per_call)]
        return portions, order.argsort()[position]

    def _widths(self, attention_mask: Tensor) -> Tensor:
        """Return the padded length of each text, (Q,); the full length if the head reads tokens."""
        columns = torch.arange(1, attention_mask.shape[1] + 1, device=attention_mask.device)
        if self.head.reads_tokens:
            return columns[-1:].expand(len(attention_mask))
        lengths = (attention_mask * columns).amax(dim=1)
        rounded = (lengths + WIDTH_STEP - 1) // WIDTH_STEP * WIDTH_STEP
        return rounded.clamp(max=self.bert.embeddings.position_embeddings.num_embeddings)

    def _tokens(self, texts: "_Texts", rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return ids and mask of texts of one padded length, (R, width); unchanged with gradients."""
        input_ids, attention_mask = texts.input_ids[rows], texts.attention_mask[rows]
        if torch.is_grad_enabled():
            return input_ids, attention_mask
        more = int(self._widths(attention_mask[:1])) - input_ids.shape[1]  # a negative number removes columns
        return F.pad(input_ids, (0, more)), F.pad(attention_mask, (0, more))


class _Texts(NamedTuple):
    """Texts and the media item of each."""

    input_ids: Tensor
    attention_mask: Tensor
    visual_index: Tensor


def _join(parts: Sequence[Any], position: Tensor | None, shape: tuple[int, int]) -> Any:
    """Concatenate outputs of portions, tensors or tuples of them, into one for every (row, clip)."""
    if not isinstance(parts[0], Tensor):
        return type(parts[0])(*(_join(fields, position, shape) for fields in zip(*parts, strict=True)))
    outputs = torch.cat(list(parts)) if len(parts) > 1 else parts[0]
    if position is not None:
        outputs = outputs[position]
    return outputs.view(*shape, *outputs.shape[2:])
