"""Compute vectors of recordings, one per clip, by several embedders in one pass over the recordings."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clipbug.data.loading.batch import Batch, UnreadVisual
from clipbug.engine.predictor import InferencePrecision, run_batches

Embedder = Callable[[Tensor], Tensor]
"""(B, N, T, 3, H, W) uint8 frames -> (B, N, D)."""


def embed(
    embedders: Mapping[str, Embedder],
    batches: Iterable[Batch | UnreadVisual],
    *,
    modules: nn.Module,
    precision: InferencePrecision,
    device: torch.device,
    description: str,
) -> Iterator[list[tuple[str, dict[str, NDArray[np.float32]]]] | UnreadVisual]:
    """Yield (recording, name -> (N, D)) for each batch; each recording is decoded once.

    Args:
        embedders: by name.
        batches: recordings of this process; recordings that could not be read are passed on.
        modules: that the embedders run, left in their mode.
        description: of the progress bar.

    Raises:
        OutOfMemoryError: a batch does not fit.
    """

    def compute(batch: Batch) -> list[tuple[str, dict[str, NDArray[np.float32]]]]:
        frames = batch.to(device).frames
        vectors = {name: embedder(frames).float().cpu().numpy() for name, embedder in embedders.items()}
        return [
            (media_id, {name: values[index] for name, values in vectors.items()})
            for index, media_id in enumerate(batch.media_ids)
        ]

    return run_batches(
        batches, compute, module=modules, device=device, precision=precision, description=description
    )
