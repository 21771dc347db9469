"""The vector of a recording, and how similar recordings are by their vectors.

`LoadedModel.embed` and `clipbug infer` with a duplicates file both use these two functions, so vectors
that are stored through the Python interface give the similarities that the command writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

RecordingVector = NDArray[np.float32]
"""(N, D): one vector per clip, in the order of time."""


def clip_vectors(grid: Tensor) -> Tensor:
    """Return one vector per clip: its features averaged over the cells of the grid.

    Shape:
        grid: (..., N, h, w, D).
        returns: (..., N, D).
    """
    return grid.mean(dim=(-3, -2))


def similarity_matrix(recordings: Sequence[RecordingVector], *, ordered: bool = True) -> NDArray[np.float32]:
    """Return the cosine similarity of all pairs of recordings.

    What all clips have in common does not tell recordings apart, so the mean over all clips of all
    recordings is subtracted first.

    Args:
        recordings: (N, D) for each of M recordings, the same N but for images. An image has one clip, which
            is compared with every clip.
        ordered: compare first clips with first clips, second with second, and so on; else average over clips.

    Returns:
        (M, M).

    Raises:
        ValueError: recordings differ in their number of clips.
    """
    if not recordings:
        return np.zeros((0, 0), dtype=np.float32)
    counts = {len(recording) for recording in recordings} - {1}
    if len(counts) > 1:
        raise ValueError(f"recordings must have the same number of clips, got {sorted(counts)}")
    num_clips = counts.pop() if counts else 1
    clips = np.stack(
        [np.broadcast_to(one, (num_clips, one.shape[1])).astype(np.float64) for one in recordings]
    )
    clips = clips - clips.mean(axis=(0, 1))
    rows = clips.reshape(len(clips), -1) if ordered else clips.mean(axis=1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(unit @ unit.T, dtype=np.float32)
