"""Recordings as vectors, one per clip, of several kinds in one pass over the recordings."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clipbug.data.batch import Batch, UnreadVisual
from clipbug.engine.failures import memory_errors_explained
from clipbug.engine.predictor import inference, length
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
    device: torch.device,
    description: str,
) -> Iterator[list[tuple[str, dict[str, NDArray[np.float32]]]] | UnreadVisual]:
    """(recording, name -> (N, D)) of each batch, as soon as they are there; each recording is decoded once.

    Args:
        embedders: by name.
        batches: this process's share of the recordings; what could not be read is handed on.
        modules: what the embedders run, left in the mode in which it came.
        description: of the progress bar.

    Raises:
        OutOfMemoryError: a batch does not fit.
    """
    resolved = resolve_precision(precision, device)
    with ProgressBar(description, length(batches), unit="recordings") as bar:
        for batch in batches:
            if isinstance(batch, UnreadVisual):
                yield batch
                bar.update()
                continue
            # Within the block nothing is yielded: the caller's own code must not run in inference mode.
            with inference(modules), memory_errors_explained([batch], "eval"), autocast(resolved, device):
                frames = batch.to(device).frames
                vectors = {
                    name: embedder(frames).float().cpu().numpy() for name, embedder in embedders.items()
                }
            yield [
                (media_id, {name: values[index] for name, values in vectors.items()})
                for index, media_id in enumerate(batch.media_ids)
            ]
            bar.update(len(batch.media_ids))
