"""Opening recordings with PyAV: from memory only, known formats only, FFmpeg's errors turned into ours."""

from __future__ import annotations  # Packet takes no index at run time

import io
from collections.abc import Iterator
from contextlib import contextmanager

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from clipbug.errors import DecodeError

# Without this list a text file could make FFmpeg open the files and addresses that it names.
_FORMATS = "mov,matroska,avi,gif,apng,mpegts,mpeg,flv,asf,ogg,ivf"
HINT = "If it plays, convert it: ffmpeg -i FILE -c:v libx264 NEW.mp4. If it does not play, leave it out."


@contextmanager
def decode_errors(media_id: str, action: str) -> Iterator[None]:
    """Turn what FFmpeg raises into a DecodeError that says what could not be done to which recording."""
    try:
        yield
    except (av.FFmpegError, MemoryError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DecodeError(f"{media_id}: {action}: {reason}", HINT) from error


@contextmanager
def open_container(data: bytes, media_id: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a recording and its video stream, decoding in this thread; closed at the end of the block.

    Raises:
        DecodeError: it is not a recording, or has no video.
    """
    container, stream = open_stream(data, media_id)
    try:
        yield container, stream
    finally:
        container.close()


def open_stream(data: bytes, media_id: str) -> tuple[InputContainer, VideoStream]:
    """Like `open_container`, for a caller that closes the container itself."""
    if not data:  # PyAV waits for ever
        raise DecodeError(f"{media_id}: the file is empty (0 bytes)", "Copy or record it again.")
    with decode_errors(media_id, "this is not a recording of a known format, or its index is damaged"):
        container = av.open(
            io.BytesIO(data), "r", options={"format_whitelist": _FORMATS}, metadata_errors="ignore"
        )
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.time_base is None:
        container.close()
        raise DecodeError(f"{media_id}: the file has no video stream", HINT)
    if stream.codec_context is None:  # whatever PyAV's annotations say
        container.close()
        raise DecodeError(f"{media_id}: no decoder for the video's compression", HINT)
    stream.codec_context.thread_count = 1
    return container, stream


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The packets of a stream without PyAV's empty one at the end (decoding that would end the decoder)."""
    return (packet for packet in container.demux(stream) if packet.size)
