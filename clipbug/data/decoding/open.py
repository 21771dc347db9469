"""Opening any stored file: what it holds decides how, never its name."""

from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.decoding.content import detect_content, image_format
from clipbug.data.decoding.pictures.animation import AnimationDecoder
from clipbug.data.decoding.pictures.decoder import ImageDecoder, decode_image
from clipbug.data.decoding.pyav import PyAvDecoder
from clipbug.data.media import MediaKind, PacketTable
from clipbug.errors import DecodeError

RecordingDecoder = AnimationDecoder | PyAvDecoder
"""What opens a file of several pictures."""


def media_kind(data: bytes) -> MediaKind:
    """Whether a file is a still picture (a GIF of one picture is); all else must prove to be a recording."""
    return "image" if detect_content(data) == "image" else "video"


def open_media(data: bytes, *, media_id: str, packets: PacketTable | None = None) -> VideoDecoder:
    """A decoder over a file in memory.

    Args:
        data: the file.
        media_id: for messages.
        packets: the packet table of a recording, if it is known; read from the file otherwise. Animated
            pictures are always read from the file.

    Raises:
        DecodeError: it is empty, text, or no picture and no recording of a known format.
    """
    if not data:  # FFmpeg would wait for ever
        raise DecodeError(f"{media_id}: the file is empty (0 bytes)", "Copy or record it again.")
    content, name = detect_content(data), image_format(data)
    if content == "text":
        start = data[:40].decode("utf-8", "replace").strip().partition("\n")[0]
        raise DecodeError(
            f"{media_id}: this is a text file, not a video, GIF or picture; it begins with {start!r}",
            "Download or copy the recording again.",
        )
    if content == "video":
        return PyAvDecoder(data, media_id=media_id, packets=packets)
    if content == "image" and name != "gif":
        return ImageDecoder(decode_image(data, media_id=media_id), media_id=media_id, codec=name or "unknown")
    animation = AnimationDecoder(data, name or "unknown", media_id=media_id)
    if content == "animation":
        return animation
    return ImageDecoder(animation.frames_at([0]).data[0], media_id=media_id, codec="gif")
