"""Decode clips as ClipBERT does; a reimplementation for benchmarks only.

For every clip, the file is opened and decoded from the keyframe before the clip; every frame in the window of
the clip is converted to RGB at full size, and T of them are kept. In evaluation, the whole file is decoded
once beforehand, only to find its last timestamp. Unlike in ClipBERT, containers are closed (there they
accumulate until the cyclic garbage collector runs). A decoder has one thread, as in clipbug.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from torch import Tensor

from clipbug.data.loading.frame_size import resized_size
from clipbug.data.loading.transforms import scale_as_clipbert

_SEEK_MARGIN_TICKS = 1024


def read_clips_as_clipbert(
    data: bytes,
    *,
    start_fractions: Sequence[float],
    num_frames_per_clip: int,
    fps: float,
    max_frame_size: int,
    has_whole_file_pass: bool,
) -> Tensor:
    """Return clips as the ClipBERT model receives them, before padding: decoded, then scaled in float.

    Args:
        data: a recording whose header has its number of frames and duration (mp4, mov).
        start_fractions: start of each clip relative to the latest possible start; ClipBERT uses k / N in
            evaluation and random values in training.
        num_frames_per_clip: number of frames per clip, T.
        fps: frame rate of the clips.
        max_frame_size: longer side of the scaled frames.
        has_whole_file_pass: decode the whole file first, as in evaluation.

    Returns:
        (N, T, 3, h, w) float32, RGB in [0, 255].
    """
    frames = decode_clips_as_clipbert(
        data,
        start_fractions=start_fractions,
        num_frames_per_clip=num_frames_per_clip,
        fps=fps,
        has_whole_file_pass=has_whole_file_pass,
    )
    size = resized_size(frames.shape[2], frames.shape[3], max_frame_size)
    scaled = scale_as_clipbert(frames.reshape(-1, *frames.shape[2:]), size)
    return scaled.view(len(start_fractions), num_frames_per_clip, *scaled.shape[1:])


def decode_clips_as_clipbert(
    data: bytes,
    *,
    start_fractions: Sequence[float],
    num_frames_per_clip: int,
    fps: float,
    has_whole_file_pass: bool,
) -> NDArray[np.uint8]:
    """Return the frames of clips at full size, (N, T, H, W, 3) RGB; see `read_clips_as_clipbert`."""
    if has_whole_file_pass:
        _last_pts(data)
    clips = [_decode_clip(data, fraction, num_frames_per_clip, fps) for fraction in start_fractions]
    return np.stack(clips)


def _last_pts(data: bytes) -> int:
    """Return the last timestamp, by decoding all frames and keeping them in memory."""
    with _opened(data) as (container, _):
        frames = {frame.pts: frame for frame in container.decode(video=0)}
    return max(pts for pts in frames if pts is not None)


def _decode_clip(data: bytes, fraction: float, count: int, fps: float) -> NDArray[np.uint8]:
    with _opened(data) as (container, stream):
        assert stream.duration is not None, "guaranteed by the caller"
        assert stream.average_rate is not None, "likewise"
        window = count / fps * float(stream.average_rate)
        start = max(stream.frames - window, 0.0) * fraction
        ticks = [int(index * stream.duration / stream.frames) for index in (start, start + window - 1)]
        frames = list(_frames_between(container, stream, *ticks))
        images = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    indices = np.clip(np.linspace(0, window - 1, count), 0, len(images) - 1).astype(np.int64)
    return images[indices].astype(np.uint8, copy=False)


def _frames_between(
    container: InputContainer, stream: VideoStream, first: int, last: int
) -> Iterator[VideoFrame]:
    """Yield the frames in a range of ticks in order of time, and one after its end."""
    container.seek(max(first - _SEEK_MARGIN_TICKS, 0), any_frame=False, backward=True, stream=stream)
    for frame in container.decode(video=0):
        if frame.pts is None or frame.pts < first:
            continue
        yield frame
        if frame.pts > last:
            return


@contextmanager
def _opened(data: bytes) -> Iterator[tuple[InputContainer, VideoStream]]:
    with av.open(io.BytesIO(data), "r", metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        yield container, stream
