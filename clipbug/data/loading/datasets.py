"""Datasets: samples of a media item with text rows, random only by (seed, epoch, index)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict, Unpack

import numpy as np

from clipbug.config.data import Resize
from clipbug.data.loading.batch import Sample, TextRow
from clipbug.data.loading.sample_seeds import generator_of_sample
from clipbug.data.loading.targets import EncodeTargets
from clipbug.data.loading.text import TextEncoder
from clipbug.data.loading.visuals import VisualReader
from clipbug.data.media import MediaKind, MediaSource
from clipbug.data.records import Record
from clipbug.data.sampling.clip_sampling import ClipSampler


@dataclass(frozen=True, slots=True)
class VisualGroup:
    """Rows about one media item that form one sample, so that its frames are read and encoded once."""

    media_id: str
    records: tuple[Record, ...]


def group_records(records: Sequence[Record], *, texts_per_visual: int | None) -> list[VisualGroup]:
    """Group rows by their media item, in the order in which they first occur.

    Args:
        texts_per_visual: most rows of a group (in training, where it bounds the memory); None: no limit (in
            evaluation).

    Raises:
        ValueError: `texts_per_visual` is below 1.
    """
    if texts_per_visual is not None and texts_per_visual < 1:
        raise ValueError(f"texts_per_visual must be at least 1 or None, got {texts_per_visual}")
    by_media: dict[str, list[Record]] = {}
    for record in records:
        by_media.setdefault(record.media_id, []).append(record)
    return [
        VisualGroup(media_id, tuple(rows[start : start + (texts_per_visual or len(rows))]))
        for media_id, rows in by_media.items()
        for start in range(0, len(rows), texts_per_visual or len(rows))
    ]


class DatasetSettings(TypedDict):
    """Arguments that all datasets share; see `VisualDataset`."""

    media: MediaSource
    clip_sampler: ClipSampler
    max_frame_size: int
    resize: Resize
    text: TextEncoder
    seed: int
    augment: NotRequired[bool]


class VisualDataset(ABC):
    """Groups of rows as samples. Picklable, so that worker processes can read it.

    Args:
        groups: one per sample.
        media: source of all media items of the groups.
        clip_sampler: chooses the frames of a recording.
        max_frame_size: longer side in pixels that frames are scaled to.
        resize: how frames are scaled; see `VisualReader`.
        text: encodes the texts of the rows.
        seed: with epoch and index determines everything random.
        augment: augment frames.
    """

    def __init__(
        self,
        groups: Sequence[VisualGroup],
        *,
        media: MediaSource,
        clip_sampler: ClipSampler,
        max_frame_size: int,
        resize: Resize,
        text: TextEncoder,
        seed: int,
        augment: bool = False,
    ) -> None:
        self.groups = tuple(groups)
        self.text = text
        self.seed = seed
        self._reader = VisualReader(
            media,
            clip_sampler=clip_sampler,
            max_frame_size=max_frame_size,
            resize=resize,
            augment=augment,
        )

    def __len__(self) -> int:
        return len(self.groups)

    def sample(self, epoch: int, index: int) -> Sample:
        """Read one group, the same for the same epoch and index; records without text are no rows of it.

        Raises:
            DataError: its media item is in no store.
            DecodeError: its media item cannot be decoded.
        """
        group = self.groups[index]
        generator = generator_of_sample(self.seed, epoch, index)
        visual = self._reader.read(group.media_id, generator)
        return Sample(
            media_id=group.media_id,
            frames=visual.frames,
            frame_seconds=visual.frame_seconds,
            clip_spans=visual.clip_spans,
            clip_positions=visual.clip_positions,
            rows=tuple(self._row(record, generator) for record in group.records if record.texts),
        )

    def frame_shape(self, index: int) -> tuple[int, int]:
        """Return (height, width) of the frames of a sample, without decoding."""
        return self.batch_key(index)[1:]

    def batch_key(self, index: int) -> tuple[MediaKind, int, int]:
        """Return what samples must share to be in one batch without padding each other, without decoding."""
        return self._reader.shape_of(self.groups[index].media_id)

    @abstractmethod
    def _row(self, record: Record, generator: np.random.Generator) -> TextRow:
        """Return the row as the model reads it."""


class VisualTextDataset(VisualDataset):
    """Rows with their own texts and targets.

    Args:
        groups: one per sample.
        encode_targets: returns the targets of a row; see `clipbug.data.loading.targets`.
        settings: as of `VisualDataset`.
    """

    def __init__(
        self,
        groups: Sequence[VisualGroup],
        *,
        encode_targets: EncodeTargets,
        **settings: Unpack[DatasetSettings],
    ) -> None:
        super().__init__(groups, **settings)
        self._encode_targets = encode_targets

    def _row(self, record: Record, generator: np.random.Generator) -> TextRow:
        first, *others = self.text.encode(record.texts)
        return TextRow(record, first, self._encode_targets(record), tuple(others))
