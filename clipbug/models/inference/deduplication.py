"""Which rows of a batch are repeats of earlier ones: a still screen needs to be looked at once."""

from typing import NamedTuple

import torch
from torch import Tensor


class Distinct(NamedTuple):
    """Rows that must be computed, and where each row finds its result.

    Attributes:
        rows: (U,) int64, rising: the first row of each kind.
        place: (R,) int64: row r is computed as `rows[place[r]]`.
    """

    rows: Tensor
    place: Tensor


def equal_rows(rows: Tensor) -> Distinct:
    """Rows that are equal bit for bit count as one.

    Shape:
        rows: (R, ...).
    """
    first: dict[bytes, int] = {}
    content = rows.detach().flatten(1).contiguous().cpu().view(torch.uint8).numpy()
    # The bytes themselves are the keys: rows of equal hash but other content stay apart.
    place = [first.setdefault(row.tobytes(), len(first)) for row in content]
    chosen: list[int] = []
    for number, kind in enumerate(place):
        if kind == len(chosen):
            chosen.append(number)
    return Distinct(torch.tensor(chosen, dtype=torch.int64), torch.tensor(place, dtype=torch.int64))
