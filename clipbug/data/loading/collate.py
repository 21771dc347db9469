"""Collate samples of different sizes to one batch."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from clipbug.data.loading.batch import Batch, Sample, TextRow
from clipbug.data.loading.targets import NO_TARGET
from clipbug.data.loading.text import pad_texts

Padding = Literal["batch", "square"]


def collate(
    samples: Sequence[Sample],
    *,
    padding: Padding,
    max_frame_size: int,
    frame_multiple: int,
    pad_token_id: int,
) -> Batch:
    """Pad samples to common sizes: frames at the right and bottom with zeros, texts at the end.

    An image among recordings is repeated to their clips and frames, which changes no answer about it.

    Args:
        samples: at least one.
        padding: "batch": to the largest height and width, rounded up to a multiple of `frame_multiple`;
            "square": to `max_frame_size` on both sides, as ClipBERT.
        max_frame_size: longest side of any frame.
        frame_multiple: the model's grid cell in pixels.
        pad_token_id: fills up `input_ids`.

    Raises:
        ValueError: recordings differ in their number of clips or frames, or frames exceed `max_frame_size`.
    """
    rows = [row for sample in samples for row in sample.rows]
    clips = _common_clips(samples)
    height, width = canvas_size(
        [(sample.frames.shape[-2], sample.frames.shape[-1]) for sample in samples],
        padding=padding,
        max_frame_size=max_frame_size,
        frame_multiple=frame_multiple,
    )
    frames = torch.zeros(len(samples), *clips, 3, height, width, dtype=samples[0].frames.dtype)
    for sample, target in zip(samples, frames, strict=True):
        target[..., : sample.frames.shape[-2], : sample.frames.shape[-1]] = sample.frames
    input_ids, attention_mask = pad_texts([text for row in rows for text in _texts_of(row)], pad_token_id)
    return Batch(
        media_ids=tuple(sample.media_id for sample in samples),
        records=tuple(row.record for row in rows),
        frames=frames,
        frame_seconds=torch.stack([sample.frame_seconds.expand(clips) for sample in samples]),
        clip_spans=torch.stack([sample.clip_spans.expand(clips[0], 2) for sample in samples]),
        clip_positions=torch.stack([sample.clip_positions.expand(clips[0]) for sample in samples]),
        input_ids=input_ids,
        attention_mask=attention_mask,
        visual_index=torch.tensor(
            [index for index, sample in enumerate(samples) for row in sample.rows for _ in _texts_of(row)],
            dtype=torch.int64,
        ),
        targets=_collate_targets(samples),
        texts_per_record=tuple(len(_texts_of(row)) for row in rows)
        if any(row.further_ids for row in rows)
        else (),
    )


def _pad(texts: list[Tensor], value: int) -> Tensor:
    """Return (Q, L); (0, 0) where the samples have no texts."""
    if not texts:
        return torch.empty(0, 0, dtype=torch.int64)
    return pad_sequence(texts, batch_first=True, padding_value=value)


def _texts_of(row: TextRow) -> tuple[list[int], ...]:
    return (row.input_ids, *row.further_ids)


def _common_clips(samples: Sequence[Sample]) -> tuple[int, int]:
    """Return (N, T) of all samples but single images."""
    shapes = {(sample.frames.shape[0], sample.frames.shape[1]) for sample in samples}
    recordings = shapes - {(1, 1)}
    if len(recordings) > 1:
        raise ValueError(f"samples must have the same clips and frames, got {sorted(recordings)}")
    return recordings.pop() if recordings else (1, 1)


def canvas_size(
    sizes: Sequence[tuple[int, int]], *, padding: Padding, max_frame_size: int, frame_multiple: int
) -> tuple[int, int]:
    """Return (height, width) that frames of these sizes are padded to; see `collate`."""
    height, width = (max(size[axis] for size in sizes) for axis in (0, 1))
    if max(height, width) > max_frame_size:
        raise ValueError(f"frames of {height}x{width} pixels exceed max_frame_size {max_frame_size}")
    if padding == "square":
        return max_frame_size, max_frame_size
    return _round_up(height, frame_multiple), _round_up(width, frame_multiple)


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _collate_targets(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Collate every target that some row has. Other rows get -100 or zero weights, which mean no target.

    Integers of one dimension are per token, so they are padded like the tokens.
    """
    all_targets = [row.targets for sample in samples for row in sample.rows]
    collated = {}
    for name in sorted({name for targets in all_targets for name in targets}):
        known = next(targets[name] for targets in all_targets if name in targets)
        absent = torch.zeros_like(known) if known.is_floating_point() else torch.full_like(known, NO_TARGET)
        values = [targets.get(name, absent) for targets in all_targets]
        if known.ndim == 1 and not known.is_floating_point():
            collated[name] = pad_sequence(values, batch_first=True, padding_value=NO_TARGET)
        else:
            collated[name] = torch.stack(values)
    return collated
