"""How the original reads the clips of a recording, in our own words, for benchmarks only.

For every clip the file is opened, sought and decoded from the keyframe before the clip; every picture of the
clip's window is converted to RGB at full size, and T of them are kept. In evaluation the whole file is
decoded once in front, only to learn its last timestamp. Kinder than the original is that containers are
closed (there they wait for the cyclic garbage collector and pile up); like ours, a decoder has one thread.
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


def read_clips_as_original(
    data: bytes,
    *,
    start_fractions: Sequence[float],
    num_frames_per_clip: int,
    fps: float,
    max_frame_size: int,
    has_whole_file_pass: bool,
) -> Tensor:
    """The clips as the original's model gets them, before padding: decoded, then scaled in float.

    Args:
        data: a recording whose header says its number of frames and its length (mp4, mov).
        start_fractions: of each clip, how much of what its window leaves free lies before it; the original
            uses k / N in evaluation and random ones in training.
        has_whole_file_pass: as in evaluation; training with random clips goes without.

    Shape:
        returns (N, T, 3, h, w) float32, RGB in [0, 255].
    """
    pictures = decode_clips_as_original(
        data,
        start_fractions=start_fractions,
        num_frames_per_clip=num_frames_per_clip,
        fps=fps,
        has_whole_file_pass=has_whole_file_pass,
    )
    size = resized_size(pictures.shape[2], pictures.shape[3], max_frame_size)
    frames = scale_as_clipbert(pictures.reshape(-1, *pictures.shape[2:]), size)
    return frames.view(len(start_fractions), num_frames_per_clip, *frames.shape[1:])


def decode_clips_as_original(
    data: bytes,
    *,
    start_fractions: Sequence[float],
    num_frames_per_clip: int,
    fps: float,
    has_whole_file_pass: bool,
) -> NDArray[np.uint8]:
    """The pictures of the clips at full size; arguments as of `read_clips_as_original`.

    Shape:
        returns (N, T, H, W, 3), RGB.
    """
    if has_whole_file_pass:
        _last_pts(data)
    clips = [_decode_clip(data, fraction, num_frames_per_clip, fps) for fraction in start_fractions]
    return np.stack(clips)


def _last_pts(data: bytes) -> int:
    """The last timestamp, by decoding every picture and holding all of them meanwhile."""
    with _opened(data) as (container, _):
        frames = {frame.pts: frame for frame in container.decode(video=0)}
    return max(pts for pts in frames if pts is not None)


def _decode_clip(data: bytes, fraction: float, count: int, fps: float) -> NDArray[np.uint8]:
    with _opened(data) as (container, stream):
        assert stream.duration is not None, "a recording of the kind that the caller promised"
        assert stream.average_rate is not None, "likewise"
        window = count / fps * float(stream.average_rate)
        start = max(stream.frames - window, 0.0) * fraction
        ticks = [int(place * stream.duration / stream.frames) for place in (start, start + window - 1)]
        frames = list(_frames_between(container, stream, *ticks))
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    places = np.clip(np.linspace(0, window - 1, count), 0, len(pictures) - 1).astype(np.int64)
    return pictures[places].astype(np.uint8, copy=False)


def _frames_between(
    container: InputContainer, stream: VideoStream, first: int, last: int
) -> Iterator[VideoFrame]:
    """Pictures of a stretch of ticks in order of time, and one beyond its end."""
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
