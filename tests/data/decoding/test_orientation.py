"""Orientations: which way pictures are laid, and what is said of it."""

import numpy as np
import pytest

from clipbug.data.decoding.orientation import Orientation

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
ALL = [Orientation(bool(bits & 4), bool(bits & 2), bool(bits & 1)) for bits in range(8)]


@pytest.mark.parametrize("orientation", ALL)
def test_rotation_is_what_is_left_once_a_mirrored_picture_is_unmirrored(orientation: Orientation) -> None:
    unmirrored = PICTURE[:, ::-1] if orientation.is_mirrored else PICTURE
    turned = np.rot90(unmirrored, -orientation.rotation_degrees // 90)
    assert np.array_equal(orientation.apply(PICTURE), turned)


@pytest.mark.parametrize("orientation", ALL)
def test_size_is_that_of_the_upright_picture(orientation: Orientation) -> None:
    assert orientation.size(2, 3) == orientation.apply(PICTURE).shape[:2]


@pytest.mark.parametrize("orientation", ALL)
def test_rotation_and_mirroring_say_it_all(orientation: Orientation) -> None:
    again = Orientation.from_rotation(orientation.rotation_degrees, is_mirrored=orientation.is_mirrored)
    assert again == orientation
