"""Encode a session as H.264, or yield its frames."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from clipbug.runtime.files import atomic_write
from clipbug.synthetic.drawing import draw_screen, draw_spinner, draw_touch
from clipbug.synthetic.screen import Screen
from clipbug.synthetic.session import Session, Shot
from clipbug.synthetic.style import SCREEN_HEIGHT, SCREEN_WIDTH, Style

ENCODER_OPTIONS = {"preset": "superfast", "crf": "23", "threads": "1"}


def draw_shots(session: Session) -> Iterator[tuple[Shot, NDArray[np.uint8]]]:
    """Yield each shot with its image; a screen that does not change is drawn once."""
    last: tuple[Screen, NDArray[np.uint8]] | None = None
    for shot in session.shots:
        if last is None or last[0] != shot.screen:
            last = (shot.screen, draw_screen(shot.screen, session.style).image)
        yield shot, _overlay(shot, last[1], session.style)


def _overlay(shot: Shot, image: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
    if shot.spinner_angle is None and shot.touch is None:
        return image
    image = image.copy()
    if shot.spinner_angle is not None:
        draw_spinner(image, style, shot.spinner_angle)
    if shot.touch is not None:
        draw_touch(image, shot.touch)
    return image


def write_recording(session: Session, path: Path) -> None:
    """Encode a session as H.264, yuv420p, with a keyframe every 250 frames; equal sessions give equal bytes.

    Raises:
        ClipbugError: the file cannot be written.
    """
    images = ((image, shot.num_frames) for shot, image in draw_shots(session))
    atomic_write(
        path, encode_h264(images, fps=session.fps, width=SCREEN_WIDTH, height=SCREEN_HEIGHT, gop=250)
    )


def encode_h264(
    images: Iterable[tuple[NDArray[np.uint8], int]],
    *,
    fps: int,
    width: int,
    height: int,
    gop: int,
    options: Mapping[str, str] | None = None,
    only_changes: bool = False,
) -> bytes:
    """Encode images as an mp4 file.

    Args:
        images: images (H, W, 3) RGB, each with the number of frames that it is shown.
        fps: frames per second.
        width: width in pixels; even, as yuv420p requires.
        height: height in pixels; even, as yuv420p requires.
        gop: number of frames between keyframes.
        options: options of x264, in addition to `ENCODER_OPTIONS`.
        only_changes: write each image once, however long it is shown, for a variable frame rate.

    Returns:
        The bytes of the file.
    """
    file, index = BytesIO(), 0
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={**ENCODER_OPTIONS, "g": str(gop), **(options or {})}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image, num_frames in images:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            for offset in range(1 if only_changes else num_frames):
                frame.pts, frame.time_base = index + offset, Fraction(1, fps)
                container.mux(stream.encode(frame))
            index += num_frames
        container.mux(stream.encode())
    return file.getvalue()
