"""Which data a run sees: hashes, so that a run never goes on with other data unnoticed."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from clipbug.config import RunConfig
from clipbug.data.media import MediaKind, MediaSource
from clipbug.data.records import Record
from clipbug.errors import DecodeError

_SHOWN = 8
_DIGITS = 16


def data_fingerprint(config: RunConfig, records: Iterable[Record], media: MediaSource) -> dict[str, Any]:
    """Hashes of the annotation files and of every image or recording that the rows use, and what these are.

    Args:
        config: names the files.
        records: of training and validation.
        media: where they are; its manifest knows the hashes of the original bytes.
    """
    files = [
        *config.data.train_files,
        *config.data.val_files,
        *filter(None, [config.data.answers, config.data.aliases]),
    ]
    ids = sorted({record.media_id for record in records})
    return {
        "files": {path: _sha256(Path(path)) for path in files},
        "media": {media_id: _hash_of_media(media, media_id)[:_DIGITS] for media_id in ids},
        "kinds": sorted({kind for media_id in ids if (kind := _kind_of_media(media, media_id)) is not None}),
    }


def _kind_of_media(media: MediaSource, media_id: str) -> MediaKind | None:
    try:
        return media.entry(media_id).kind
    except DecodeError:
        return None


def _hash_of_media(media: MediaSource, media_id: str) -> str:
    """Also of a file that no manifest knows and that cannot be decoded: if that may be is asked later."""
    try:
        return media.entry(media_id).sha256
    except DecodeError:
        return hashlib.sha256(media.read(media_id)).hexdigest()


def fingerprint_difference(stored: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Lines such as "file a.jsonl: changed", "media clip1: gone"; long lists are cut, with their length."""
    init = [stored.get("init"), now.get("init")]
    return [
        *([f"--init: {init[0]} -> {init[1]}"] if init[0] != init[1] else []),
        *_differences("file", stored.get("files", {}), now["files"]),
        *_differences("media", stored.get("media", {}), now["media"]),
    ]


def _differences(what: str, old: dict[str, str], new: dict[str, str]) -> Sequence[str]:
    lines = [
        f"{what} {name}: {'new' if name not in old else 'gone' if name not in new else 'changed'}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"{what}: {more} more"] if more > 0 else lines


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
