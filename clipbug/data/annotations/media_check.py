"""Match annotation rows with the images and recordings of a store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from clipbug.data.annotations.fields import is_whole
from clipbug.data.annotations.media_ids import IdFinder
from clipbug.data.media import MediaSource
from clipbug.data.records import Record
from clipbug.errors import DataError
from clipbug.runtime.json_reading import JsonError, read_json

_NUM_SHOWN = 5
_NUM_NEAREST = 3
_ACCEPT = "skip these rows: --allow-missing (in evaluation they count as wrong)"


@dataclass(frozen=True, slots=True)
class MediaMatch:
    """Records matched with a store.

    Attributes:
        found: Records whose media item is in the store; `media_id` is the id in the store.
        missing: Records whose media item is not in the store, as read from the file.
        renamed: Id in the file -> id in the store, where the two differ.
    """

    found: list[Record]
    missing: list[Record]
    renamed: Mapping[str, str]


def match_media(
    records: Sequence[Record], media: MediaSource, *, aliases: Mapping[str, str] | None = None
) -> MediaMatch:
    """Find the media item of every record by id, alias, id without file extension, or another spelling.

    Record ids are unchanged, so predictions join with the file whatever the names in the store.

    Args:
        records: Records to match.
        media: The store.
        aliases: Id in annotations -> id in the store.

    Returns:
        The records found and missing.
    """
    finder = IdFinder(media, aliases)
    store_ids = {name: finder.find(name) for name in dict.fromkeys(record.media_id for record in records)}
    found = [
        replace(record, media_id=store_id)
        for record in records
        if (store_id := store_ids[record.media_id]) is not None
    ]
    missing = [record for record in records if store_ids[record.media_id] is None]
    renamed = {name: store_id for name, store_id in store_ids.items() if store_id not in (None, name)}
    return MediaMatch(found, missing, {name: str(store_id) for name, store_id in renamed.items()})


def refuse_missing(missing: Sequence[Record], num_rows: int, media: MediaSource) -> None:
    """Raise if any media item is missing.

    Raises:
        DataError: Names every missing id, the first ones with location and nearest ids, and a remedy.
    """
    if not missing:
        return
    first_rows: dict[str, Record] = {}
    for record in missing:
        first_rows.setdefault(record.media_id, record)
    known = list(media.ids())
    shown = [_describe(media_id, row, known) for media_id, row in list(first_rows.items())[:_NUM_SHOWN]]
    others = list(first_rows)[_NUM_SHOWN:]
    if others:
        shown.append(f"  ... and {len(others)} more: {', '.join(others)}")
    raise DataError(
        f"{len(missing)} of {num_rows} rows refer to {len(first_rows)} media items that are not in the store"
        f" (of {len(known)} items)\n" + "\n".join(shown),
        "add the files (id = file name without extension): clipbug ingest FOLDER --ext mp4 avi png jpg\n"
        f"or use another store: --media STORE\nor {_ACCEPT}",
    )


def load_aliases(path: Path) -> dict[str, str]:
    """Read a JSON object {id in annotations: id in the store}.

    Args:
        path: JSON file.

    Returns:
        Id in the store by id in annotations.

    Raises:
        DataError: The file cannot be read or has another structure.
    """
    hint = 'expected one JSON object, such as {"APOD-CC1": "video0"}'
    try:
        aliases = read_json(path)
    except (OSError, JsonError) as error:
        raise DataError(f"aliases file {path} cannot be read: {error}", hint) from error
    if not isinstance(aliases, dict):
        raise DataError(f"aliases file {path}: expected a JSON object, got {type(aliases).__name__}", hint)
    bad = next(
        (name for name, value in aliases.items() if not (isinstance(value, str) or is_whole(value))), None
    )
    if bad is not None:
        raise DataError(
            f"aliases file {path}: the alias of {bad!r} is {aliases[bad]!r}, expected an id", hint
        )
    return {name: str(store_id) for name, store_id in aliases.items()}


def _describe(media_id: str, row: Record, known: Sequence[str]) -> str:
    near = get_close_matches(media_id, known, n=_NUM_NEAREST, cutoff=0.6)
    nearest = f" (nearest: {', '.join(map(repr, near))})" if near else ""
    return f"  {media_id!r}{f' at {row.source}' if row.source else ''}{nearest}"
