"""Open any stored file; its content decides how, never its name."""

from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.decoding.content import detect_content, image_format
from clipbug.data.decoding.pictures.animation import AnimationDecoder
from clipbug.data.decoding.pictures.decoder import ImageDecoder, decode_image
from clipbug.data.decoding.pyav import PyAvDecoder
from clipbug.data.media import MediaKind, PacketTable
from clipbug.errors import DecodeError

RecordingDecoder = AnimationDecoder | PyAvDecoder
"""Decoders of files with several frames."""


def media_kind(data: bytes) -> MediaKind:
    """Return "image" for a still (or a GIF of one image), else "video", which opening must confirm."""
    return "image" if detect_content(data) == "image" else "video"


def open_media(data: bytes, *, media_id: str, packets: PacketTable | None = None) -> VideoDecoder:
    """Open a decoder over a file in memory.

    Args:
        data: The file.
        media_id: For messages.
        packets: Packet table of a recording, if known; otherwise read from the file. Animated images are
            always read from the file.

    Returns:
        The decoder.

    Raises:
        DecodeError: The file is empty, is text, or is neither an image nor a recording of a known format.
    """
    if not data:  # FFmpeg would wait forever
        raise DecodeError(f"{media_id}: the file is empty (0 bytes)", "Copy or record it again.")
    content, name = detect_content(data), image_format(data)
    if content == "text":
        start = data[:40].decode("utf-8", "replace").strip().partition("\n")[0]
        raise DecodeError(
            f"{media_id}: this is a text file, not a video, GIF or image; it begins with {start!r}",
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
