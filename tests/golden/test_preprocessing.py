"""Sizes and scaled pixels of the original."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clipbug.data.loading.frame_size import resized_size
from clipbug.data.loading.transforms import scale_as_clipbert
from tests.helpers.rounding import assert_close

GOLDEN = dict(np.load(Path(__file__).parent / "preprocessing" / "preprocess.npz"))
PICTURES = {(333, 500): 61, (641, 427): 62, (57, 91): 63, (1280, 720): 64, (31, 301): 65}


def blocks_and_noise(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    """The picture (H, W, 3) that the original scaled: random blocks of 16 pixels plus noise."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 256, (1, 3, -(-height // 16), -(-width // 16)))
    pixels = blocks.repeat(16, axis=2).repeat(16, axis=3)[:, :, :height, :width]
    noise = generator.integers(-16, 17, (1, 3, height, width))
    picture: NDArray[np.uint8] = np.clip(pixels + noise, 0, 255).astype(np.uint8)[0].transpose(1, 2, 0)
    return picture


@pytest.mark.parametrize("longer_side", [448, 768])
@pytest.mark.parametrize("shape", PICTURES)
def test_scaled_and_padded_pixels(shape: tuple[int, int], longer_side: int) -> None:
    expected = {
        key.rpartition("/")[2]: value
        for key, value in GOLDEN.items()
        if key.startswith(f"{shape[0]}x{shape[1]}/S{longer_side}/")
    }
    size = resized_size(*shape, longer_side)
    assert size == tuple(expected["resized_shape"])
    square = torch.zeros(3, longer_side, longer_side)
    pictures = np.ascontiguousarray(blocks_and_noise(PICTURES[shape], *shape)[None])
    square[:, : size[0], : size[1]] = scale_as_clipbert(pictures, size)[0]
    for place in ("topleft", "centre", "corner"):
        top, left = expected.get(f"crop_{place}_yx", (0, 0))
        crop = square[:, top : top + 16, left : left + 16].numpy()
        # Four terms; but their weights are fractions of positions of up to 1280, and lose as many units.
        assert_close(crop, expected[f"crop_{place}"], terms=max(shape), size=255.0)
    statistics = torch.stack([square.flatten(1).mean(dim=1), square.flatten(1).std(dim=1)])
    assert_close(statistics, expected["padded_mean_std"], terms=square[0].numel(), size=255.0)


def test_sizes() -> None:
    rows = GOLDEN["resize_sizes_h_w_S_newh_neww"].tolist()
    assert len(rows) == 45
    for height, width, longer_side, new_height, new_width in rows:
        # The original cannot scale 1000 x 3 to 224: a side of 0 pixels. Here a side is at least 1.
        expected = (max(new_height, 1), max(new_width, 1))
        assert resized_size(height, width, longer_side) == expected


def test_the_shorter_side_is_truncated_after_the_ratio() -> None:
    rows = GOLDEN["truncation_short_long_S_short"].tolist()
    assert len(rows) == 16
    for shorter, longer, size, expected in rows:
        assert resized_size(shorter, longer, size) == (expected, size)
        assert resized_size(longer, shorter, size) == (size, expected)
        assert expected != size * shorter // longer
