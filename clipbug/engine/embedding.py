"""Recordings as vectors, one per clip, of several kinds in one pass over the recordings."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from clipbug.data.batch import Batch, UnreadVisual
from clipbug.engine.failures import memory_errors_explained
from clipbug.engine.predictor import inference, length
from clipbug.runtime.distributed import Distributed, gather_objects
from clipbug.runtime.precision import autocast, resolve_precision
from clipbug.runtime.progress import ProgressBar

Embedder = Callable[[Tensor], Tensor]
"""(B, N, T, 3, H, W) uint8 frames -> (B, N, D)."""


def embed(
    embedders: Mapping[str, Embedder],
    batches: Iterable[Batch | UnreadVisual],
    *,
    modules: nn.Module,
    precision: Literal["auto", "fp32", "bf16", "fp16"],
    distributed: Distributed,
    description: str,
) -> tuple[dict[str, dict[str, NDArray[np.float32]]], tuple[UnreadVisual, ...]]:
    """The vectors of every recording, the same on all processes; each recording is decoded once.

    Args:
        embedders: by name.
        batches: this process's share of the recordings.
        modules: what the embedders run, left in the mode in which it came.
        description: of the progress bar.

    Returns:
        Name -> recording -> (N, D); and the recordings that could not be read.

    Raises:
        OutOfMemoryError: a batch does not fit.
    """
    device = distributed.device
    resolved = resolve_precision(precision, device)
    rows: list[tuple[str, dict[str, NDArray[np.float32]]]] = []
    unread: list[UnreadVisual] = []
    with inference(modules), ProgressBar(description, length(batches), unit="recordings") as bar:
        for batch in batches:
            if isinstance(batch, UnreadVisual):
                unread.append(batch)
                bar.update()
                continue
            with memory_errors_explained([batch], "eval"), autocast(resolved, device):
                frames = batch.to(device).frames
                vectors = {
                    name: embedder(frames).float().cpu().numpy() for name, embedder in embedders.items()
                }
            for index, media_id in enumerate(batch.media_ids):
                rows.append((media_id, {name: values[index] for name, values in vectors.items()}))
            bar.update(len(batch.media_ids))
    gathered = gather_objects(rows, distributed)
    vectors_of = {name: {media_id: own[name] for media_id, own in gathered} for name in embedders}
    return vectors_of, tuple(gather_objects(unread, distributed))
