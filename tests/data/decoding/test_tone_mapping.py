"""HDR and wide-gamut values against the numbers of the recommendations."""

import numpy as np
import pytest
from numpy.typing import NDArray

from clipbug.data.decoding.tone_mapping import Primaries, Transfer, to_srgb


def of_grey(signal: float, transfer: Transfer) -> int:
    return int(to_srgb(np.full((1, 1, 3), signal), transfer=transfer)[0, 0, 0])


@pytest.mark.parametrize(
    ("transfer", "signal", "expected"),
    [
        ("hlg", 0.0, 0),
        ("hlg", 0.4144, 128),  # sqrt(3 * 0.265 * 0.2159): SDR's middle grey below a white of 75 %
        ("hlg", 0.75, 253),
        ("hlg", 1.0, 255),
        ("pq", 0.0, 0),
        ("pq", 0.5807, 253),  # 203 cd/m2, ITU-R BT.2408
        ("pq", 1.0, 255),
        ("linear", 0.2159, 128),
        ("srgb", 0.5, 128),
    ],
)
def test_levels(transfer: Transfer, signal: float, expected: int) -> None:
    assert abs(of_grey(signal, transfer) - expected) <= 1  # the signals have four digits


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_brighter_is_never_darker(transfer: Transfer) -> None:
    ramp = np.linspace(0, 1, 512)[:, None].repeat(3, axis=1)
    levels = to_srgb(ramp, transfer=transfer)[:, 0].astype(int)
    assert np.diff(levels).min() >= 0
    assert levels[-1] == 255


@pytest.mark.parametrize("primaries", ["bt470bg", "smpte170m", "bt2020", "p3", "ebu3213"])
def test_grey_stays_grey(primaries: Primaries) -> None:
    grey = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    assert np.array_equal(to_srgb(grey, transfer="srgb", primaries=primaries), grey)


def test_primaries() -> None:
    p3 = np.array([[234, 51, 35]], np.uint8)  # what sRGB's red is in Display P3
    assert np.abs(to_srgb(p3, transfer="srgb", primaries="p3").astype(int) - (255, 0, 0)).max() <= 1
    wide = np.array([[[0.6274], [0.0691], [0.0164]]]).squeeze()[None]  # and in light of BT.2020 (BT.2087)
    assert np.abs(to_srgb(wide, transfer="linear").astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_integers_are_the_same_values(transfer: Transfer) -> None:
    generator = np.random.default_rng(0)
    deep: NDArray[np.uint16] = generator.integers(65536, size=(50, 3), dtype=np.uint16)
    assert np.array_equal(to_srgb(deep, transfer=transfer), to_srgb(deep / 65535, transfer=transfer))


def test_hue_of_highlights_is_kept() -> None:
    """A bright orange does not become white."""
    red, green, blue = to_srgb(np.array([[0.95, 0.8, 0.5]]), transfer="hlg", primaries="bt709")[0].tolist()
    assert red >= 253
    assert red > green > blue
