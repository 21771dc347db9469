"""Whether the media that annotation rows name are in the store."""

from collections.abc import Sequence
from difflib import get_close_matches

from clipbug.data.media import MediaSource
from clipbug.data.records import Record
from clipbug.errors import DataError

_NUM_SHOWN = 5
_NUM_NEAREST = 3


def check_media(records: Sequence[Record], media: MediaSource) -> None:
    """Pass if every row's media id is in `media`.

    Raises:
        DataError: some are not; names the first ones, where they stand, the nearest ids, how to add them.
    """
    first_rows: dict[str, Record] = {}
    num_rows = 0
    for record in records:
        if record.media_id not in media:
            first_rows.setdefault(record.media_id, record)
            num_rows += 1
    if not first_rows:
        return
    known = list(media.ids())
    shown = [_described(media_id, row, known) for media_id, row in list(first_rows.items())[:_NUM_SHOWN]]
    if len(first_rows) > _NUM_SHOWN:
        shown.append(f"  ... and {len(first_rows) - _NUM_SHOWN} more")
    raise DataError(
        f"{num_rows} of {len(records)} rows name media that the store (of {len(known)}) does not have;"
        f" ids: {len(first_rows)}\n" + "\n".join(shown),
        "add the files (id = file name without extension): clipbug ingest FOLDER --ext mp4 avi png jpg\n"
        "or name the right store: --media STORE",
    )


def _described(media_id: str, row: Record, known: Sequence[str]) -> str:
    near = get_close_matches(media_id, known, n=_NUM_NEAREST, cutoff=0.6)
    nearest = f" (nearest: {', '.join(map(repr, near))})" if near else ""
    return f"  {media_id!r}{f' at {row.source}' if row.source else ''}{nearest}"
