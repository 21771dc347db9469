"""Samples and batches, which pass from the loader to the task.

Letters: B media items, N clips, T frames per clip, C channels, H W pixels, R rows of annotations, Q texts
of theirs, L text tokens, K classes. A row has one text, except where it offers several to choose from.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from clipbug.data.records import Record


@dataclass(frozen=True, slots=True)
class TextRow:
    """One row of annotations about the media item of a sample, with its targets.

    Attributes:
        record: the annotation row.
        input_ids: token ids of its text, or of the first of its texts, with [CLS] and [SEP], not padded.
        targets: name -> tensor for one row, e.g. "labels" () int64 or (K,) float32, "mlm" (L,) int64.
    """

    record: Record
    input_ids: list[int]
    targets: Mapping[str, Tensor]
    further_ids: tuple[list[int], ...] = ()
    """Token ids of its other texts, if it has several: the options of a question."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One media item with its text rows.

    Shape:
        frames: (N, T, 3, H, W), uint8 or float32, RGB in [0, 255]; an image has N = T = 1.
        frame_seconds: (N, T) float64, seconds on a player's clock.
        clip_spans: (N, 2) float64, start and end of each clip in the same seconds.
        clip_positions: (N,) float32 in [0, 1], the clip's centre over the recording's length; 0 for an image.
    """

    media_id: str
    frames: Tensor
    frame_seconds: Tensor
    clip_spans: Tensor
    clip_positions: Tensor
    rows: tuple[TextRow, ...]


@dataclass(frozen=True, slots=True)
class UnreadVisual:
    """A media item that could not be read, and the rows that stay without an answer.

    Attributes:
        reason: what happened; hint: what to do about it.
    """

    media_id: str
    records: tuple[Record, ...]
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Several samples, padded to common sizes.

    Shape:
        frames: (B, N, T, 3, H, W), uint8 or float32, RGB in [0, 255], zeros at the right and bottom;
            or (B, N, h, w, D), their grid, where they are encoded already (inference).
        frame_seconds: (B, N, T); clip_spans: (B, N, 2); clip_positions: (B, N).
        input_ids, attention_mask: (Q, L) int64; mask 1 on real tokens.
        visual_index: (Q,) int64, the index in `frames` that a text is about.
        targets: name -> (R, ...); integer targets use -100 for "no target". Empty where answers are unknown.
        texts_per_record: R numbers of sum Q; empty: one text each, Q = R. Texts of a row are neighbours.
    """

    media_ids: tuple[str, ...]
    records: tuple[Record, ...]
    frames: Tensor
    frame_seconds: Tensor
    clip_spans: Tensor
    clip_positions: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    visual_index: Tensor
    targets: Mapping[str, Tensor]
    texts_per_record: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.frames.ndim not in (5, 6):
            raise ValueError(
                f"frames must be (B, N, T, 3, H, W), or their grid, got shape {tuple(self.frames.shape)}"
            )
        if len(self.records) != len(self.num_texts) or sum(self.num_texts) != len(self.input_ids):
            raise ValueError(
                f"{len(self.records)} records, {sum(self.num_texts)} texts for {len(self.input_ids)} id rows"
            )

    @property
    def num_texts(self) -> tuple[int, ...]:
        """Return the number of texts of each record."""
        return self.texts_per_record or (1,) * len(self.records)

    def visual_of_records(self) -> list[int]:
        """Return the index in `frames` that each record is about."""
        first_texts = list(accumulate(self.num_texts, initial=0))[:-1]
        visuals: list[int] = self.visual_index[first_texts].tolist()
        return visuals

    def portions(self, max_texts: int) -> Iterator["Batch"]:
        """Yield the batch in portions of whole records with at most `max_texts` texts (or one record)."""
        ends = list(accumulate(self.num_texts))
        start, first_text = 0, 0
        for stop in range(1, len(ends) + 1):
            if stop == len(ends) or ends[stop] - first_text > max_texts:
                yield self._records(slice(start, stop), slice(first_text, ends[stop - 1]))
                start, first_text = stop, ends[stop - 1]

    def _records(self, records: slice, texts: slice) -> "Batch":
        return replace(
            self,
            records=self.records[records],
            input_ids=self.input_ids[texts],
            attention_mask=self.attention_mask[texts],
            visual_index=self.visual_index[texts],
            targets={name: target[records] for name, target in self.targets.items()},
            texts_per_record=self.texts_per_record[records],
        )

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch with the inputs of the model on `device` (asynchronously from pinned memory)."""
        return self._with_tensors(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """Return the batch with the inputs of the model in pinned memory (for a GPU)."""
        return self._with_tensors(Tensor.pin_memory)

    def _with_tensors(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        return replace(
            self,
            frames=change(self.frames),
            clip_positions=change(self.clip_positions),
            input_ids=change(self.input_ids),
            attention_mask=change(self.attention_mask),
            visual_index=change(self.visual_index),
            targets={name: change(target) for name, target in self.targets.items()},
        )
