"""`clipbug data ls|get|rm|verify`: list, extract, delete and verify the items of stores."""

import fnmatch
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from clipbug.data.annotations.media_ids import IdFinder, composed
from clipbug.data.media import MediaEntry
from clipbug.data.store.rewrite import rewrite_store
from clipbug.data.store.store import MediaStore
from clipbug.data.store.write_lock import DEFAULT_WAIT_SECONDS
from clipbug.data.store.writer import folder_to_write
from clipbug.errors import DataError
from clipbug.runtime.files import atomic_write, safe_name
from clipbug.runtime.progress import ProgressBar


@dataclass(frozen=True, slots=True)
class StoreResult:
    """The result of a command on a store.

    Attributes:
        payload: the object for --json, without `bad`.
        bad: items that differ from the manifest, with the reason.
    """

    payload: dict[str, Any]
    bad: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        rows = [{"media_id": media_id, "reason": reason} for media_id, reason in self.bad]
        return {**self.payload, "bad": rows}


def list_items(path: Path, *, match: str | None, limit: int | None) -> StoreResult:
    """List the items of a store in the order of their ids.

    Args:
        path: path of the store.
        match: only ids that match this pattern, such as "login_*"; Unicode forms of "é" are equal.
        limit: maximum number of items.

    Returns:
        The size of the store and the manifest entries of the items.

    Raises:
        DataError: the store does not exist or is damaged.
    """
    with MediaStore(path) as store:
        ids = (media_id for media_id in store.ids() if match is None or _matches(media_id, match))
        items = [_row(media_id, store.stored_entry(media_id)) for media_id in islice(ids, limit)]
        return StoreResult({"store": str(path), "count": len(store), "items": items})


def _matches(media_id: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(composed(media_id), composed(pattern))


def _stored_ids(store: MediaStore, media_ids: Sequence[str]) -> list[str]:
    """Return the ids as the store spells them, whatever Unicode form the user typed.

    Raises:
        DataError: an id is not in the store; the message lists similar ids.
    """
    finder = IdFinder(store)
    found = {media_id: finder.find_form(media_id) for media_id in media_ids}
    for media_id, stored in found.items():
        if stored is None:
            store.read(media_id)  # raises, listing similar ids
    return list(dict.fromkeys(stored for stored in found.values() if stored is not None))


def _row(media_id: str, entry: MediaEntry | None) -> dict[str, Any]:
    if entry is None:
        return {"media_id": media_id, "kind": None}
    form = entry.prepared
    return {
        "media_id": media_id,
        "kind": entry.kind,
        "file_name": entry.file_name,
        "num_bytes": entry.num_bytes,
        "codec": entry.codec,
        "width": entry.width,
        "height": entry.height,
        "other_sizes": [f"{width}x{height}" for width, height in entry.other_sizes],
        "num_frames": entry.num_frames,
        "duration_seconds": entry.duration_seconds,
        "prepared": f"{form.width}x{form.height}" if form else None,
        "has_original": entry.has_original,
        "notes": list(entry.notes),
    }


def get_items(path: Path, media_ids: Sequence[str], *, output: Path) -> StoreResult:
    """Write original files into a folder, under their original names.

    Args:
        path: path of the store.
        media_ids: ids of the items.
        output: folder to write to.

    Returns:
        The paths of the files.

    Raises:
        DataError: an id is not in the store, its original was dropped, or a different file exists.
    """
    written = []
    with MediaStore(path) as store:
        for media_id in _stored_ids(store, media_ids):
            data, entry = store.read(media_id), store.stored_entry(media_id)
            target = output / safe_name(Path(entry.file_name if entry else media_id).name)
            if target.exists() and target.read_bytes() != data:
                raise DataError(
                    f"{target} exists with different content", "Choose another folder with --output."
                )
            atomic_write(target, data)
            written.append(str(target))
    return StoreResult({"store": str(path), "written": written})


def remove_items(
    path: Path, media_ids: Sequence[str], *, wait_seconds: float = DEFAULT_WAIT_SECONDS
) -> StoreResult:
    """Delete items from a store by rewriting its file without them.

    Args:
        path: path of the store.
        media_ids: ids of the items.
        wait_seconds: how long to wait while another process writes to the store.

    Returns:
        The deleted ids and the freed bytes.

    Raises:
        DataError: an id is not in the store, or the store cannot be written; then nothing is deleted.
    """
    folder = folder_to_write(path)
    with MediaStore(folder) as store:
        stored = _stored_ids(store, media_ids)
    saved = rewrite_store(folder, without=frozenset(stored), wait_seconds=wait_seconds)
    return StoreResult({"store": str(path), "removed": stored, "freed_bytes": max(saved, 0)})


def verify_stores(paths: Sequence[Path]) -> StoreResult:
    """Recompute the hashes of all items and compare them with the manifests.

    Args:
        paths: paths of the stores.

    Returns:
        The counts, and the items that differ.

    Raises:
        DataError: a store does not exist, or its file cannot be read at all.
    """
    bad: list[tuple[str, str]] = []
    num_items = num_bytes = num_without_entry = 0
    for path in paths:
        with MediaStore(path) as store, ProgressBar(f"verify {path}", len(store), unit="items") as progress:
            for media_id in store.ids():
                size, problems, has_entry = _verify(store, media_id)
                bad += [(media_id, problem) for problem in problems]
                num_items, num_bytes = num_items + 1, num_bytes + size
                num_without_entry += not has_entry
                progress.update()
    payload = {
        "stores": [str(path) for path in paths],
        "num_items": num_items,
        "num_bytes": num_bytes,
        "num_without_entry": num_without_entry,
    }
    return StoreResult(payload, tuple(bad))


def _verify(store: MediaStore, media_id: str) -> tuple[int, list[str], bool]:
    """Return the number of bytes read, the problems, and whether the manifest has an entry."""
    try:
        entry = store.stored_entry(media_id)
    except DataError as error:
        return 0, [error.message], True
    if entry is None:
        return 0, [], False
    problems, size = [], 0
    if entry.has_original:
        data = store.read(media_id)
        size = len(data)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            problems.append(
                f"the original ({size} of {entry.num_bytes} bytes) differs from what was ingested"
            )
    if entry.prepared is not None:
        form = store.prepared_form(media_id) or b""
        size += len(form)
        if hashlib.sha256(form).hexdigest() != entry.prepared.sha256:
            problems.append(
                f"the prepared form ({len(form)} of {entry.prepared.num_bytes} bytes) has changed"
            )
    return size, problems, True
