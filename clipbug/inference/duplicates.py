"""Similarity of recordings, to find duplicates: by a trained model, and by baselines without training."""

from collections.abc import Callable, Sequence
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
from clipbug.inference.vectors import clip_vectors, similarity_matrix
from clipbug.models.build import build_backbone
from clipbug.runtime.seeding import seed_everything

_THUMBNAIL = (16, 9)
_FRAMES_PER_CALL = 8


def compare_recordings(
    log: ResultLog,
    builder: BatchBuilder,
    stored: RunConfig,
    records: Sequence[Record],
    *,
    encode: Callable[[Tensor], Tensor],
) -> tuple[dict[str, NDArray[np.float32]], int]:
    """Compare all pairs of the recordings, by the model and by the baselines.

    Args:
        log: keeps the results.
        builder: of batches, with the task and its trained model.
        stored: the run's own config, which names the weights that its backbone started from.
        records: one row per recording.
        encode: frames to the grid of that model.

    Returns:
        Name -> (recordings, recordings) in the order of the rows, without those that could not be read; and
        the number of recordings that an earlier process had encoded. "model": vectors of the trained model
        (see `vectors`), clips compared in order; "model_unordered": averaged over clips. "untrained": as
        "model", with the backbone before any training here; "thumbnail": clips as pictures of 16 x 9 pixels.
    """
    config, processes = builder.config, builder.processes
    seed_everything(config.seed)
    untrained = build_backbone(stored.model.backbone).to(processes.device)
    embedders: dict[str, Embedder] = {
        MODEL: lambda frames: clip_vectors(encode(frames)),
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
    results = list(log.results(record.media_id for record in records))
    vectors = {name: [one.arrays[name] for one in results] for name in embedders}
    return {
        MODEL: similarity_matrix(vectors[MODEL]),
        f"{MODEL}_unordered": similarity_matrix(vectors[MODEL], ordered=False),
        "untrained": similarity_matrix(vectors["untrained"]),
        "thumbnail": similarity_matrix(vectors["thumbnail"]),
    }, resumed


def _pooled_features(backbone: nn.Module, frames: Tensor) -> Tensor:
    """Average features over cells and frames: (B, N, T, 3, H, W) -> (B, N, C)."""
    flat = frames.flatten(0, 2).float()
    pooled = torch.cat([backbone(part).mean(dim=(2, 3)) for part in torch.split(flat, _FRAMES_PER_CALL)])
    return pooled.view(*frames.shape[:3], -1).mean(dim=2)


def _thumbnails(frames: Tensor) -> Tensor:
    """Scale frames down and average over a clip: (B, N, T, 3, H, W) -> (B, N, 3 * 16 * 9)."""
    small = functional.adaptive_avg_pool2d(frames.flatten(0, 2).float(), _THUMBNAIL)
    return small.flatten(1).view(*frames.shape[:3], -1).mean(dim=2)
