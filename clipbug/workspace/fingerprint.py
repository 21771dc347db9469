"""Fingerprint the data of a run, so that it cannot resume with changed data unnoticed."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from clipbug.config import RunConfig
from clipbug.data.media import MediaKind, MediaSource
from clipbug.data.records import Record
from clipbug.errors import DecodeError

_MAX_LISTED = 8
_NUM_DIGITS = 16


def data_fingerprint(config: RunConfig, records: Iterable[Record], media: MediaSource) -> dict[str, Any]:
    """Hash the annotation files and every media item that the records use.

    Args:
        config: config of the run, which names the files.
        records: records of training and validation.
        media: the media items; the manifest has the hashes of their original bytes.

    Returns:
        `files` and `media`, name -> hash, and `kinds`, the kinds of media.
    """
    files = [
        *config.data.train_files,
        *config.data.val_files,
        *filter(None, [config.data.answers, config.data.aliases]),
    ]
    ids = sorted({record.media_id for record in records})
    return {
        "files": {path: _sha256(Path(path)) for path in files},
        "media": {media_id: _hash_of_media(media, media_id)[:_NUM_DIGITS] for media_id in ids},
        "kinds": sorted({kind for media_id in ids if (kind := _kind_of_media(media, media_id)) is not None}),
    }


def _kind_of_media(media: MediaSource, media_id: str) -> MediaKind | None:
    try:
        return media.entry(media_id).kind
    except DecodeError:
        return None


def _hash_of_media(media: MediaSource, media_id: str) -> str:
    """Return the hash of an item, even if it is undecodable, as whether that is allowed is checked later."""
    try:
        return media.entry(media_id).sha256
    except DecodeError:
        return hashlib.sha256(media.read(media_id)).hexdigest()


def fingerprint_difference(stored: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return lines such as "file a.jsonl: changed" or "media clip1: removed"; long lists are truncated."""
    init = [stored.get("init"), now.get("init")]
    return [
        *([f"--init: {init[0]} -> {init[1]}"] if init[0] != init[1] else []),
        *_differences("file", stored.get("files", {}), now["files"]),
        *_differences("media", stored.get("media", {}), now["media"]),
    ]


def _differences(kind: str, old: dict[str, str], new: dict[str, str]) -> Sequence[str]:
    lines = [
        f"{kind} {name}: {'added' if name not in old else 'removed' if name not in new else 'changed'}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    more = len(lines) - _MAX_LISTED
    return [*lines[:_MAX_LISTED], f"{kind}: {more} more"] if more > 0 else lines


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_NUM_DIGITS]
