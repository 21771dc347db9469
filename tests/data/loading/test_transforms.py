"""Sizes, and changes of training pictures."""

import numpy as np
import pytest
import torch

from clipbug.data.loading.frame_size import resized_size
from clipbug.data.loading.transforms import augment, scale_as_clipbert


@pytest.mark.parametrize(("height", "width"), [(1280, 720), (720, 1280), (90, 160), (50, 50), (1, 5000)])
def test_the_longer_side_is_reached_and_the_aspect_kept(height: int, width: int) -> None:
    new_height, new_width = resized_size(height, width, 448)
    assert max(new_height, new_width) == 448
    assert (new_height >= new_width) == (height >= width)
    # Truncation loses less than a pixel.
    assert 0 <= min(height, width) * 448 / max(height, width) - min(new_height, new_width) < 1 or (
        min(new_height, new_width) == 1
    )


@pytest.mark.parametrize("sides", [(0, 5, 5), (5, -1, 5), (5, 5, 0)])
def test_wrong_sides_are_named(sides: tuple[int, int, int]) -> None:
    name, value = next(
        (n, v) for n, v in zip(("height", "width", "longer_side"), sides, strict=True) if v < 1
    )
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got {value}"):
        resized_size(*sides)


def test_scaling_does_not_smooth_what_it_leaves_out() -> None:
    pictures = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    pictures[1, :, :, 0] = np.arange(8) * 10
    frames = scale_as_clipbert(pictures, (2, 2))
    assert frames.shape == (2, 3, 2, 2)
    assert frames.dtype == torch.float32
    # Without antialiasing the samples lie at pixels 1.5 and 5.5 and average two neighbours only.
    assert frames[1, 0].tolist() == [[15.0, 55.0], [15.0, 55.0]]
    assert not frames[0].any()


def test_all_frames_change_in_the_same_way() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 24, 3)).astype(np.uint8)
    changed = augment(np.stack([picture] * 3), np.random.default_rng(1))
    assert changed.shape == (3, 40, 24, 3)
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(changed[0], changed[1])
    np.testing.assert_array_equal(changed[0], changed[2])
    assert (changed[0] != picture).any()


def test_changes_come_from_the_generator_alone() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 24, 3)).astype(np.uint8)
    before = pictures.copy()
    first, again, other = (augment(pictures, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(pictures, before)


def test_a_mark_moves_a_little_and_stays_recognizable() -> None:
    pictures = np.full((1, 100, 60, 3), 60, dtype=np.uint8)
    pictures[0, 45:55, 25:35] = 200
    places = []
    for seed in range(50):
        changed = augment(pictures, np.random.default_rng(seed))[0].astype(int)
        bright = changed.mean(axis=2) > changed.mean(axis=2).mean() + 20
        rows, columns = np.nonzero(bright)
        places.append((rows.mean(), columns.mean()))
        # 10 x 10 pixels zoomed by at most 8 %, with a blurred rim of a pixel.
        assert 60 <= bright.sum() <= 150
        # The border is continued, not black: the rim has the background's colour.
        np.testing.assert_array_equal(changed[0, 0], changed[-1, -1])
    offsets = np.array(places) - (49.5, 29.5)
    # At most 4 % of a side, plus half a pixel of measurement.
    assert (np.abs(offsets) <= (4.5, 2.9)).all()
    assert (np.ptp(offsets, axis=0) > (3, 2)).all()
