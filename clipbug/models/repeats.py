"""Which rows of a batch are repeats of earlier ones: a still screen needs to be looked at once."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 8
"""Side in pixels of the blocks whose mean colours tell near duplicates: small enough that a cursor shows,
large enough that the noise of video compression does not."""


class Distinct(NamedTuple):
    """Rows that must be computed, and where each row finds its result.

    Attributes:
        rows: (U,) int64, rising: the first row of each kind.
        place: (R,) int64: row r is computed as `rows[place[r]]`.
        largest_difference: of a row from the one in whose place it is not computed; 0 where all are equal.
    """

    rows: Tensor
    place: Tensor
    largest_difference: float = 0.0


def all_rows(count: int) -> Distinct:
    """Every row on its own."""
    rows = torch.arange(count)
    return Distinct(rows, rows)


def equal_rows(rows: Tensor) -> Distinct:
    """Rows that are equal bit for bit count as one.

    Shape:
        rows: (R, ...).
    """
    first: dict[bytes, int] = {}
    content = rows.detach().flatten(1).contiguous().cpu().view(torch.uint8).numpy()
    # The bytes themselves are the keys: rows of equal hash but other content stay apart.
    place = [first.setdefault(row.tobytes(), len(first)) for row in content]
    return _distinct(place)


def near_frames(frames: Tensor, *, tolerance: float) -> Distinct:
    """Frames that differ from an earlier one by no more than `tolerance` count as that one.

    Two frames differ by the greatest difference of the mean colours of any block of 8 x 8 pixels.

    Args:
        frames: (F, 3, H, W), in [0, 255]; all of one recording.
        tolerance: grey levels, in [0, 255].
    """
    blocks = torch.stack([_block_means(frame) for frame in frames])
    kept: list[int] = []
    place, largest = [], 0.0
    for number, means in enumerate(blocks):
        differences = (blocks[kept] - means).abs().amax(dim=(1, 2, 3)) if kept else blocks.new_empty(0)
        nearest = int(differences.argmin()) if kept else 0
        if kept and differences[nearest] <= tolerance:
            place.append(nearest)
            largest = max(largest, float(differences[nearest]))
        else:
            place.append(len(kept))
            kept.append(number)
    return _distinct(place)._replace(largest_difference=largest)


def _block_means(frame: Tensor) -> Tensor:
    return F.avg_pool2d(frame[None].float(), BLOCK, ceil_mode=True, count_include_pad=False)[0]


def _distinct(place: list[int]) -> Distinct:
    rows: list[int] = []
    for number, kind in enumerate(place):
        if kind == len(rows):
            rows.append(number)
    return Distinct(torch.tensor(rows, dtype=torch.int64), torch.tensor(place, dtype=torch.int64))
