"""Convert HDR and wide-gamut images to sRGB, as a standard-range screen shows them."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Transfer = Literal["pq", "hlg", "srgb", "linear", "gamma22", "gamma28"]
Primaries = Literal["bt709", "bt470bg", "smpte170m", "bt2020", "p3", "ebu3213"]

_WHITE_NITS = 203.0  # SDR reference white in HDR, ITU-R BT.2408; 75 % of an HLG signal
_KNEE = 0.95  # brightness below is kept; everything above, however bright, is compressed into the rest
_D65 = (0.3127, 0.3290)
# x and y of red, green and blue (ITU-T H.273); the white point of all of them is D65.
_CHROMATICITIES: dict[Primaries, tuple[tuple[float, float], ...]] = {
    "bt709": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    "bt470bg": ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    "smpte170m": ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    "p3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    "ebu3213": ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}


def to_srgb(
    rgb: NDArray[np.floating] | NDArray[np.uint16] | NDArray[np.uint8],
    *,
    transfer: Transfer,
    primaries: Primaries = "bt2020",
) -> NDArray[np.uint8]:
    """Convert an image to sRGB; for HDR (PQ, HLG), SDR white becomes white.

    Colours up to SDR white keep their brightness, brighter ones are compressed at constant hue. Channels
    outside the sRGB gamut are clipped.

    Args:
        rgb: Encoded full-range values; floats from 0 to 1, or the whole range of the integer type.
        transfer: Transfer function of the values.
        primaries: Colour primaries of the values.

    Returns:
        8-bit sRGB values.

    Shape:
        rgb and the result: (..., 3).
    """
    light = _decode(rgb, _TO_LIGHT[transfer])
    if primaries != "bt709":
        light = light @ _to_bt709(primaries).T
    if transfer in ("pq", "hlg"):
        light = _compress(light)
    return _encode(light)


def _decode(
    values: NDArray[np.floating] | NDArray[np.uint16] | NDArray[np.uint8],
    to_light: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float32]:
    """Return linear light, 1 for SDR white; integers use a lookup table, which is far faster."""
    if np.issubdtype(values.dtype, np.integer):
        highest = 255 if values.dtype == np.uint8 else 65535
        table = to_light(np.arange(highest + 1) / highest).astype(np.float32)
        return table[values]
    return to_light(np.clip(values, 0, 1).astype(np.float64)).astype(np.float32)


def _from_pq(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply the EOTF of SMPTE ST 2084 (ITU-R BT.2100)."""
    m1, m2 = 2610 / 16384, 2523 / 32
    c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
    power = signal ** (1 / m2)
    return (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * (10_000 / _WHITE_NITS)


def _hlg_scene(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply the inverse OETF of HLG (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _from_hlg(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scene light, inverting how SDR is placed in HLG (ITU-R BT.2408), so that greys are kept."""
    return _hlg_scene(signal) / _hlg_scene(np.array(0.75))


def _from_srgb(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply the sRGB transfer function (IEC 61966-2-1)."""
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


_TO_LIGHT: dict[Transfer, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "pq": _from_pq,
    "hlg": _from_hlg,
    "srgb": _from_srgb,
    "linear": lambda signal: signal,
    "gamma22": lambda signal: signal**2.2,
    "gamma28": lambda signal: signal**2.8,
}


def _to_bt709(primaries: Primaries) -> NDArray[np.float32]:
    matrix = np.linalg.solve(_rgb_to_xyz("bt709"), _rgb_to_xyz(primaries))
    return matrix.astype(np.float32)


def _rgb_to_xyz(primaries: Primaries) -> NDArray[np.float64]:
    columns = np.array([_xyz(x, y) for x, y in _CHROMATICITIES[primaries]]).T
    return columns * np.linalg.solve(columns, _xyz(*_D65))


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _compress(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring the brightest channel of each pixel below 1, smoothly from the knee on."""
    brightest = light.max(axis=-1, keepdims=True)
    over = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE)
    target = np.minimum(brightest, _KNEE) + (1 - _KNEE) * (1 - np.exp(-over))
    compressed: NDArray[np.float32] = light * (target / np.maximum(brightest, 1e-6))
    return compressed


def _encode(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    light = np.clip(light, 0, 1)
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    encoded: NDArray[np.uint8] = np.rint(signal * 255).astype(np.uint8)
    return encoded
