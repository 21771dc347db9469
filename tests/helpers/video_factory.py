"""Videos made in the test. Every picture carries its own number, so a decoded frame says which one it is.

A picture is a grid of 2 rows and 5 columns; cell b is bright when bit b of the number is set. Cells are large
and far apart in brightness, so the number survives lossy coding, scaling and grey levels.
"""

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

NUM_BITS = 10
_ROWS, _COLUMNS = 2, 5
_DARK, _BRIGHT = 40, 215
_MATRICES = {  # tkhd display matrix (a, b, c, d) that turns the picture clockwise on display
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}


def draw_index(index: int, size: tuple[int, int] = (64, 160)) -> NDArray[np.uint8]:
    """The picture (H, W, 3) that carries `index`, which must be below 1024."""
    if not 0 <= index < 2**NUM_BITS:
        raise ValueError(f"index must be in [0, {2**NUM_BITS}), got {index}")
    bits = np.array([index >> bit & 1 for bit in range(NUM_BITS)]).reshape(_ROWS, _COLUMNS)
    rows = np.arange(size[0]) * _ROWS // size[0]
    columns = np.arange(size[1]) * _COLUMNS // size[1]
    grey = np.where(bits[np.ix_(rows, columns)], _BRIGHT, _DARK).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def read_index(rgb: NDArray[np.uint8]) -> int:
    """The number that a decoded picture (H, W, 3) carries."""
    height, width = rgb.shape[0] / _ROWS, rgb.shape[1] / _COLUMNS
    index = 0
    for bit in range(NUM_BITS):
        row, column = divmod(bit, _COLUMNS)
        top, left = round((row + 0.25) * height), round((column + 0.25) * width)
        bottom, right = round((row + 0.75) * height), round((column + 0.75) * width)
        cell = rgb[top : max(bottom, top + 1), left : max(right, left + 1)]
        index |= int(cell.mean() > (_DARK + _BRIGHT) / 2) << bit
    return index


def make_video(
    path: Path,
    *,
    num_frames: int,
    fps: Fraction | int = 10,
    size: tuple[int, int] = (64, 160),
    codec: str = "libx264",
    pixel_format: str | None = None,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    first_pts: int = 0,
    rotation: int = 0,
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Write a video of `num_frames` pictures and return its path; the suffix decides the container.

    Args:
        size: (height, width).
        pts: ticks of `time_base` (default 1 / fps) of each picture; default 0, 1, 2 ...
        first_pts: added to all of them.
        rotation: degrees clockwise by which a player turns the picture (mp4 and mov only).
        pictures: (H, W, 3) or (H, W, 4) uint8 to show instead of numbers.
        options: of the encoder, e.g. {"g": "250", "bf": "3"}.
        container_options: of the muxer, e.g. {"movflags": "frag_keyframe+empty_moov"}.
    """
    ticks = list(pts) if pts is not None else list(range(num_frames))
    base = time_base or 1 / Fraction(fps)
    with av.open(str(path), "w", options=dict(container_options or {})) as container:
        stream = cast(av.VideoStream, container.add_stream(codec, rate=fps, options=dict(options or {})))
        stream.width, stream.height = size[1], size[0]
        stream.pix_fmt = pixel_format or ("rgb8" if codec == "gif" else "yuv420p")
        stream.codec_context.time_base = base
        stream.codec_context.thread_count = 1
        for index in range(num_frames):
            picture = draw_index(index, size) if pictures is None else pictures[index]
            frame = av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = ticks[index] + first_pts, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if rotation:
        _set_rotation(path, rotation)
    return path


def _set_rotation(path: Path, degrees: int) -> None:
    """Write the display matrix into the track header (version 0) of an mp4 or mov."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # the name, then 40 bytes from version to volume
    a, b, c, d = (value * 0x10000 for value in _MATRICES[degrees])
    struct.pack_into(">9i", data, start, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(bytes(data))
