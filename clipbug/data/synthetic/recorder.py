"""Write a session as H.264, or as frames for whoever wants to look."""

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from clipbug.data.synthetic.drawing import draw_screen, draw_spinner, draw_touch
from clipbug.data.synthetic.screen import Screen
from clipbug.data.synthetic.session import Session, Shot
from clipbug.data.synthetic.style import SCREEN_HEIGHT, SCREEN_WIDTH, Style
from clipbug.runtime.files import atomic_write

ENCODER_OPTIONS = {"preset": "superfast", "crf": "23", "g": "250", "threads": "1"}


def draw_shots(session: Session) -> Iterator[tuple[Shot, NDArray[np.uint8]]]:
    """Each shot with its picture; a screen that stays is drawn once."""
    last: tuple[Screen, NDArray[np.uint8]] | None = None
    for shot in session.shots:
        if last is None or last[0] != shot.screen:
            last = (shot.screen, draw_screen(shot.screen, session.style).image)
        yield shot, _above(shot, last[1], session.style)


def _above(shot: Shot, image: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
    if shot.spinner_angle is None and shot.touch is None:
        return image
    image = image.copy()
    if shot.spinner_angle is not None:
        draw_spinner(image, style, shot.spinner_angle)
    if shot.touch is not None:
        draw_touch(image, shot.touch)
    return image


def write_recording(session: Session, path: Path) -> None:
    """Encode a session: H.264, yuv420p, a keyframe every 250 pictures; equal sessions give equal bytes.

    Raises:
        ClipbugError: the file cannot be written.
    """
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=session.fps, options=ENCODER_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = SCREEN_WIDTH, SCREEN_HEIGHT, "yuv420p"
        index = 0
        for shot, image in draw_shots(session):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            for _ in range(shot.num_frames):
                frame.pts, frame.time_base = index, Fraction(1, session.fps)
                container.mux(stream.encode(frame))
                index += 1
        container.mux(stream.encode())
    atomic_write(path, file.getvalue())
