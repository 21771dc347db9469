"""Inspect a file once, at ingest: what it is, and whether its frames can be decoded."""

import hashlib

from clipbug.data.decoding.base import VideoMetadata
from clipbug.data.decoding.content import count_missing_bytes, detect_content, image_format
from clipbug.data.decoding.open import RecordingDecoder, media_kind, open_media
from clipbug.data.decoding.packets import table_by_decoding
from clipbug.data.decoding.pictures.animation import AnimationDecoder
from clipbug.data.decoding.pictures.still import check_still
from clipbug.data.decoding.pyav import PyAvDecoder
from clipbug.data.media import MediaEntry, PacketTable
from clipbug.errors import DecodeError

_PROBE_SIZE = (16, 16)


def probe(data: bytes, *, media_id: str, file_name: str) -> MediaEntry:
    """Return the manifest entry of a file after decoding all of it.

    Of a recording that is cut off or damaged, the intact frames are kept; the entry's notes say what is
    missing.

    Args:
        data: The file.
        media_id: Id to store it under.
        file_name: Name of the original file.

    Returns:
        The manifest entry.

    Raises:
        DecodeError: The file is empty, is neither image nor recording, or nothing of it can be decoded; the
            message says which.
    """
    missing = count_missing_bytes(data)
    if missing and detect_content(data) != "video":
        raise DecodeError(
            f"{media_id}: the file is cut off: at least {missing} bytes are missing at the end",
            "Copy or record it again.",
        )
    metadata, packets, other_sizes = _inspect(data, media_id)
    check_still(data, image_format(data), media_id=media_id)
    return MediaEntry(
        media_id=media_id,
        kind=media_kind(data),
        file_name=file_name,
        num_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        codec=metadata.codec,
        width=metadata.width,
        height=metadata.height,
        num_frames=metadata.num_frames,
        duration_seconds=metadata.duration_seconds,
        average_fps=metadata.average_fps,
        rotation_degrees=metadata.rotation_degrees,
        is_variable_rate=metadata.is_variable_rate,
        packets=packets,
        other_sizes=other_sizes,
    )


def _inspect(
    data: bytes, media_id: str
) -> tuple[VideoMetadata, PacketTable | None, tuple[tuple[int, int], ...]]:
    """Return metadata, packet table of a recording, and frame sizes that differ from the first."""
    if detect_content(data) == "video":
        table = table_by_decoding(data, media_id=media_id)
        with PyAvDecoder(data, media_id=media_id, packets=table) as exact:
            _decode_ends(exact)
            return exact.metadata, table, exact.other_sizes()
    with open_media(data, media_id=media_id) as decoder:
        if not isinstance(decoder, AnimationDecoder):  # a still is decoded when it is opened
            return decoder.metadata, None, ()
        _decode_ends(decoder)
        return decoder.metadata, decoder.packets, ()


def _decode_ends(decoder: RecordingDecoder) -> None:
    decoder.frames_at((0, decoder.metadata.num_frames - 1), size=_PROBE_SIZE)
