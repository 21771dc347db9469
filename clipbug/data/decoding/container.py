"""Open recordings with PyAV: from memory only, known formats only, FFmpeg errors converted to DecodeError."""

from __future__ import annotations  # Packet is not subscriptable at run time

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from clipbug.data.decoding.content import count_missing_bytes
from clipbug.data.decoding.edits import unusual_edits
from clipbug.errors import DecodeError

# Without this list a text file could make FFmpeg open the files and addresses that it names.
_FORMATS = "mov,matroska,avi,gif,apng,mpegts,mpeg,flv,asf,ogg,ivf"
_HINT_WITHOUT_INDEX = (
    "The index is written last: copy the file again, or stop the recording before you copy it. untrunc can"
    " rebuild the index from an intact file of the same recorder: untrunc INTACT.mp4 FILE"
)
_HINT_OTHER_CODEC = (
    "Convert it with a program that plays it: in VLC, Media > Convert / Save, or with an ffmpeg build that"
    " supports the codec: ffmpeg -i FILE -c:v libx264 NEW.mp4"
)
HINT = "If it plays, convert it: ffmpeg -i FILE -c:v libx264 NEW.mp4. If it does not play, exclude it."


@contextmanager
def decode_errors(media_id: str, action: str) -> Iterator[None]:
    """Convert FFmpeg errors to a DecodeError that names the recording and the failed action.

    Raises:
        DecodeError: FFmpeg failed or ran out of memory.
    """
    try:
        yield
    except (av.FFmpegError, MemoryError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DecodeError(f"{media_id}: {action}: {reason}", HINT) from error


@contextmanager
def open_container(data: bytes, media_id: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a recording and its video stream, decoding in this thread; close it at the end of the block.

    Yields:
        The container and its video stream.

    Raises:
        DecodeError: The file is not a recording, or has no video.
    """
    container, stream = open_stream(data, media_id)
    try:
        yield container, stream
    finally:
        container.close()


def open_stream(data: bytes, media_id: str) -> tuple[InputContainer, VideoStream]:
    """Open a recording like `open_container`, for a caller that closes the container itself."""
    if not data:  # PyAV would wait forever
        raise DecodeError(f"{media_id}: the file is empty (0 bytes)", "Copy or record it again.")
    missing = 0 if data.startswith(b"GIF8") else count_missing_bytes(data)  # counting takes long for GIF
    cut = f"the file is cut off, {missing} or more bytes of its end are missing; " if missing else ""
    if is_without_index(data):
        raise DecodeError(f"{media_id}: {cut}its index (moov) is missing", _HINT_WITHOUT_INDEX)
    with decode_errors(media_id, f"{cut}this is not a recording of a known format, or its index is damaged"):
        options = {"format_whitelist": _FORMATS}
        if unusual_edits(data):
            options["ignore_editlist"] = "1"
        container = av.open(io.BytesIO(data), "r", options=options, metadata_errors="ignore")
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.time_base is None:
        container.close()
        raise DecodeError(f"{media_id}: {cut}the file has no video stream", HINT)
    if stream.codec_context is None:  # happens, although PyAV's annotations rule it out
        container.close()
        name = _codec_name(data)
        raise DecodeError(f"{media_id}: {cut}no decoder for the video's compression{name}", _HINT_OTHER_CODEC)
    stream.codec_context.thread_count = 1
    return container, stream


def is_without_index(data: bytes) -> bool:
    """Return whether an mp4 or mov file contains media data, but not the index that locates its frames."""
    names = [data[4:8]] if data[4:8] in (b"ftyp", b"mdat", b"wide") else []
    position = 0
    while names and position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        names.append(data[position + 4 : position + 8])
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        position += size if size >= 8 else len(data)
    return b"mdat" in names and not {b"moov", b"moof"} & set(names)


def _codec_name(data: bytes) -> str:
    """Return the codec name in a file's header, such as " (evc1)"; empty if none is found."""
    found = re.search(rb"stsd.{12}([A-Za-z0-9 ]{4})|(V_[A-Z0-9/_]+)|vids([A-Za-z0-9]{4})", data, re.DOTALL)
    name = next((group for group in found.groups() if group), b"") if found else b""
    return f" ({name.decode().strip()})" if name else ""


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a stream except PyAV's empty last one (decoding that would end the decoder)."""
    return (packet for packet in container.demux(stream) if packet.size)
