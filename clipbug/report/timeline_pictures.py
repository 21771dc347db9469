"""Small pictures of the steps of a timeline, decoded from its file, with what was touched marked."""

import base64
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.data.loading.frame_size import resized_size
from clipbug.data.store.in_memory import loose_media
from clipbug.perception.timeline import Timeline
from clipbug.report.timeline_page import StepPictures
from clipbug.runtime.files import atomic_write

_LONGER_SIDE = 640
_THUMB_SIDE = 200
_JPEG_QUALITY = 74
_MARK_COLOR = (230, 40, 60)
_BEFORE_SECONDS = 0.08


def pictures_of(timeline: Timeline) -> StepPictures:
    """Return the pictures of all screens and events as addresses that hold their JPEG.

    Raises:
        DecodeError: the file cannot be decoded any more.
    """
    screens = [screen.frame_seconds for screen in timeline.screens]
    events = [_moment_of(timeline, number) for number in range(len(timeline.events))]
    pictures = list(_frames_at(timeline, [*screens, *events]))
    thumbs = [_uri(_fitted(picture, _THUMB_SIDE)) for picture in pictures[: len(screens)]]
    large = [_uri(picture) for picture in pictures]
    return StepPictures(
        thumbs=tuple(thumbs), screens=tuple(large[: len(screens)]), events=tuple(large[len(screens) :])
    )


def write_pictures(timeline: Timeline, folder: Path, *, prefix: str) -> dict[int, str]:
    """Write a JPEG for each event with the touch marked.

    Returns:
        The file name by the number of the event.

    Raises:
        ClipbugError: the file cannot be decoded any more, or the folder cannot be written.
    """
    times = [_moment_of(timeline, number) for number in range(len(timeline.events))]
    names: dict[int, str] = {}
    for number, picture in enumerate(_frames_at(timeline, times)):
        event = timeline.events[number]
        if event.x is not None and event.y is not None:
            factor = picture.shape[1] / timeline.width
            _mark(picture, event.x * factor, event.y * factor)
        names[number] = f"{prefix}-step-{number + 1}.jpg"
        atomic_write(folder / names[number], _jpeg(picture))
    return names


def _moment_of(timeline: Timeline, number: int) -> float:
    """Return the time to show: what was typed when it is there, else the screen just before the touch."""
    event = timeline.events[number]
    return event.end_seconds if event.kind == "type" else max(0.0, event.time_seconds - _BEFORE_SECONDS)


def _frames_at(timeline: Timeline, seconds: list[float]) -> Iterator[NDArray[np.uint8]]:
    media = loose_media(timeline.file)
    media.look_closely()
    with media.open(media.name) as decoder:
        times = decoder.pts_seconds - decoder.pts_seconds[0]
        places = np.searchsorted(times, np.array(seconds) + 1e-6) - 1
        indices = np.clip(places, 0, len(times) - 1).astype(int).tolist()
        size = resized_size(decoder.metadata.height, decoder.metadata.width, _LONGER_SIDE)
        if indices:
            frames = decoder.frames_at(indices, size=size).data
            yield from frames


def _mark(picture: NDArray[np.uint8], x: float, y: float) -> None:
    center = round(x), round(y)
    radius = max(10, round(0.045 * picture.shape[1]))
    cv2.circle(picture, center, radius + 2, (255, 255, 255), 2, cv2.LINE_AA)
    cv2.circle(picture, center, radius, _MARK_COLOR, 3, cv2.LINE_AA)


def _fitted(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    factor = min(1.0, side / max(picture.shape[:2]))
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    assert done, "a picture in memory can be packed"
    return data.tobytes()


def _uri(picture: NDArray[np.uint8]) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(_jpeg(picture)).decode('ascii')}"
