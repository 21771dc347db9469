"""Compare annotation files with the media in stores."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from clipbug.checks.dataset.findings import CheckedFile, Finding
from clipbug.data.annotations import match_media
from clipbug.data.loading.frame_size import describe_narrow
from clipbug.data.media import MediaSource
from clipbug.data.store.store import known_entry


def check_media(
    files: Sequence[CheckedFile], media: MediaSource, aliases: Mapping[str, str] | None
) -> Iterator[Finding]:
    """Yield findings about the media of the rows, and media in the stores that no file uses."""
    used: set[str] = set()
    for file in files:
        match = match_media(file.records, media, aliases=aliases)
        used.update(record.media_id for record in match.found)
        missing = Counter(record.media_id for record in match.missing)
        if missing:
            text = f"{file.name}: {len(missing)} media items, used by {missing.total()} rows, are in no store"
            items = tuple(f"{media_id}: {count} rows" for media_id, count in missing.items())
            yield Finding("error", "missing-media", text, items)
        if match.renamed:
            text = f"{file.name}: {len(match.renamed)} media items are stored under another name"
            items = tuple(f"{name} = {store_id}" for name, store_id in match.renamed.items())
            yield Finding("info", "renamed-media", text, items)
    yield from _narrow(sorted(used), media)
    unused = [media_id for media_id in media.ids() if media_id not in used]
    if unused:
        text = f"{len(unused)} of {len(media)} media items in the stores are not used by any row"
        yield Finding("info", "unused-media", text, tuple(unused))


def _narrow(media_ids: Sequence[str], media: MediaSource) -> Iterator[Finding]:
    items = []
    for media_id in media_ids:
        entry = known_entry(media, media_id)
        if entry and (reason := describe_narrow(entry.height, entry.width)):
            items.append(f"{media_id}: {reason}")
    if items:
        text = f"{len(items)} media items are so tall or so wide that they are illegible after scaling"
        yield Finding("warning", "narrow-media", text, tuple(items))
