"""Read the frames of the clips of a media item."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbug.config.data import Resize
from clipbug.data.decoding.base import FrameBatch, VideoDecoder
from clipbug.data.loading.frame_size import resized_size
from clipbug.data.loading.transforms import augment, scale_as_clipbert
from clipbug.data.media import MediaKind, MediaSource
from clipbug.data.sampling.clip_plan import ClipPlan
from clipbug.data.sampling.clip_sampling import ClipSampler
from clipbug.errors import DataError


@dataclass(frozen=True, slots=True)
class Visual:
    """The clips of an image or recording; shapes and units as in `Sample`."""

    frames: Tensor
    frame_seconds: Tensor
    clip_spans: Tensor
    clip_positions: Tensor


class VisualReader:
    """Reads clips of recordings, and images as one clip of one frame.

    Args:
        media: source of the media items.
        clip_sampler: chooses the frames of a recording.
        max_frame_size: longer side in pixels that frames are scaled to.
        resize: "antialiased": the decoder scales, with antialiasing; "clipbert": as ClipBERT, bilinear in
            float without antialiasing.
        augment: augment frames, as in training.
    """

    def __init__(
        self,
        media: MediaSource,
        *,
        clip_sampler: ClipSampler,
        max_frame_size: int,
        resize: Resize,
        augment: bool,
    ) -> None:
        self.media = media
        self.clip_sampler = clip_sampler
        self.max_frame_size = max_frame_size
        self.resize = resize
        self.augment = augment

    def shape_of(self, media_id: str) -> tuple[MediaKind, int, int]:
        """Return (kind, height, width) of the frames that `read` returns, from the manifest alone.

        Raises:
            DataError: there is no such id.
        """
        entry = self.media.entry(media_id)
        return entry.kind, *resized_size(entry.height, entry.width, self.max_frame_size)

    def read(self, media_id: str, generator: np.random.Generator) -> Visual:
        """Choose clips and decode them.

        Raises:
            DataError: there is no such id.
            DecodeError: a chosen frame cannot be decoded.
        """
        kind, height, width = self.shape_of(media_id)
        wanted = None if self.resize == "clipbert" else self.max_frame_size
        with self.media.open(media_id, longer_side=wanted) as decoder:
            self._check_size(media_id, decoder)
            plan = _image_plan(decoder) if kind == "image" else self.clip_sampler(decoder, generator)
            size = None if self.resize == "clipbert" else (height, width)
            batch = decoder.frames_at(plan.indices.ravel().tolist(), size=size)
            frames = self._frames(batch.data, (height, width), generator)
            return _visual(frames, batch, plan, decoder)

    def _check_size(self, media_id: str, decoder: VideoDecoder) -> None:
        """Raise DataError if the store keeps frames that are too small, of a recording that was larger."""
        entry, kept = self.media.entry(media_id), max(decoder.metadata.height, decoder.metadata.width)
        if kept < min(self.max_frame_size, max(entry.height, entry.width)):
            raise DataError(
                f"{media_id}: the store keeps its pictures with a longer side of {kept} pixels only,"
                f" max_frame_size is {self.max_frame_size}",
                f"Set max_frame_size={kept}, or prepare the original files again: "
                "clipbug ingest FOLDER --prepare --prepare-size N",
            )

    def _frames(
        self, pictures: NDArray[np.uint8], size: tuple[int, int], generator: np.random.Generator
    ) -> Tensor:
        if self.augment:
            pictures = augment(pictures, generator)
        if self.resize == "clipbert":
            return scale_as_clipbert(pictures, size)
        return torch.from_numpy(pictures).permute(0, 3, 1, 2)


def _image_plan(decoder: VideoDecoder) -> ClipPlan:
    return ClipPlan(np.zeros((1, 1), dtype=np.int64), np.full((1, 2), decoder.pts_seconds[0]))


def _visual(frames: Tensor, batch: FrameBatch, plan: ClipPlan, decoder: VideoDecoder) -> Visual:
    spans = plan.spans_seconds
    duration = max(decoder.metadata.duration_seconds, float(decoder.pts_seconds[-1]))
    positions = (spans.mean(axis=1) / duration).clip(0.0, 1.0) if duration else np.zeros(len(spans))
    return Visual(
        frames=frames.view(plan.indices.shape + frames.shape[1:]),
        frame_seconds=torch.from_numpy(batch.pts_seconds.reshape(plan.indices.shape)),
        clip_spans=torch.from_numpy(spans),
        clip_positions=torch.from_numpy(positions.astype(np.float32)),
    )
