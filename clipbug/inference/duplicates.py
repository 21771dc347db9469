"""Duplicate recordings found by how alike they look to a model, and to what needs no training."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from clipbug.builders.batches import BatchBuilder
from clipbug.config import RunConfig
from clipbug.data.records import Record
from clipbug.engine.embedding import Embedder, embed
from clipbug.evaluation.duplicates import MODEL
from clipbug.inference.result_log import Result, ResultLog, compute_remaining
from clipbug.models.build import build_backbone
from clipbug.runtime.seeding import seed_everything

_THUMBNAIL = (16, 9)
_FRAMES_PER_CALL = 8

Vectors = Mapping[str, NDArray[np.float32]]
"""Recording -> (N, D), one vector per clip."""


def compare_recordings(
    log: ResultLog,
    builder: BatchBuilder,
    stored: RunConfig,
    records: Sequence[Record],
    *,
    encode: Callable[[Tensor], Tensor],
) -> tuple[dict[str, NDArray[np.float32]], int]:
    """How alike all pairs of the recordings are, to the model and to the baselines beside it.

    Args:
        log: keeps what is done.
        builder: of batches, with the task and its trained model.
        stored: the run's own config, which names the weights that its backbone started from.
        records: one row per recording.
        encode: frames to the grid of that model.

    Returns:
        Name -> (recordings, recordings) in the order of the rows, without those that could not be read; and
        the number of recordings that an earlier process had encoded. "model": the grid of the trained model,
        averaged over its cells, clips compared in order; "model_unordered": averaged over clips too.
        "untrained": as "model", with the backbone before any training here; "thumbnail": clips as pictures of
        16 x 9 pixels.
    """
    config, processes = builder.config, builder.processes
    seed_everything(config.seed)
    untrained = build_backbone(stored.model.backbone).to(processes.device)
    embedders: dict[str, Embedder] = {
        MODEL: lambda frames: encode(frames).mean(dim=(2, 3)),
        "untrained": lambda frames: _pooled_features(untrained, frames),
        "thumbnail": _thumbnails,
    }
    compute = partial(
        embed,
        embedders,
        modules=nn.ModuleList([builder.task, untrained]),
        precision=config.precision,
        device=processes.device,
        description="compare",
    )
    resumed = compute_remaining(
        log,
        builder,
        records,
        key=lambda record: record.media_id,
        compute=compute,
        to_result=lambda one: Result(one[0], arrays=one[1]),
    )
    results = {one.key: one for one in log.results(record.media_id for record in records)}
    vectors = {name: {media_id: one.arrays[name] for media_id, one in results.items()} for name in embedders}
    ids = list(results)
    return {
        MODEL: similarity(vectors[MODEL], ids, _in_order),
        f"{MODEL}_unordered": similarity(vectors[MODEL], ids, _unordered),
        "untrained": similarity(vectors["untrained"], ids, _in_order),
        "thumbnail": similarity(vectors["thumbnail"], ids, _in_order),
    }, resumed


def similarity(
    vectors: Vectors, media_ids: Sequence[str], arrange: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float32]:
    """The cosine between all pairs of recordings.

    What all clips of the recordings have in common says nothing about which belong together: their mean is
        taken off first.

    Args:
        vectors: of the recordings.
        media_ids: their order.
        arrange: (recordings, N, D) clips -> (recordings, D') rows to compare.
    """
    clips = np.stack([vectors[media_id] for media_id in media_ids]).astype(np.float64)
    rows = arrange(clips - clips.mean(axis=(0, 1)))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(unit @ unit.T, dtype=np.float32)


def _in_order(clips: NDArray[np.float64]) -> NDArray[np.float64]:
    return clips.reshape(len(clips), -1)


def _unordered(clips: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(clips.mean(axis=1))


def _pooled_features(backbone: nn.Module, frames: Tensor) -> Tensor:
    """(B, N, T, 3, H, W) -> (B, N, C): features averaged over cells and frames."""
    flat = frames.flatten(0, 2).float()
    pooled = torch.cat([backbone(part).mean(dim=(2, 3)) for part in torch.split(flat, _FRAMES_PER_CALL)])
    return pooled.view(*frames.shape[:3], -1).mean(dim=2)


def _thumbnails(frames: Tensor) -> Tensor:
    """(B, N, T, 3, H, W) -> (B, N, 3 * 16 * 9), the mean over the frames of a clip."""
    small = functional.adaptive_avg_pool2d(frames.flatten(0, 2).float(), _THUMBNAIL)
    return small.flatten(1).view(*frames.shape[:3], -1).mean(dim=2)
