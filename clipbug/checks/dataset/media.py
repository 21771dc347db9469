"""What the stores have for the rows, and what they have besides."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from clipbug.checks.dataset.findings import Finding, Part
from clipbug.data.annotations import match_media
from clipbug.data.loading.frame_size import describe_narrow
from clipbug.data.media import MediaSource
from clipbug.data.store.store import known_entry


def check_media(
    parts: Sequence[Part], media: MediaSource, aliases: Mapping[str, str] | None
) -> Iterator[Finding]:
    """Findings about the rows' media; unused media is looked for over all files together."""
    used: set[str] = set()
    for part in parts:
        match = match_media(part.records, media, aliases=aliases)
        used.update(record.media_id for record in match.found)
        missing = Counter(record.media_id for record in match.missing)
        if missing:
            text = f"{part.name}: {len(missing)} media of {missing.total()} rows are in no store"
            items = tuple(f"{media_id}: {count} rows" for media_id, count in missing.items())
            yield Finding("error", "missing-media", text, items)
        if match.renamed:
            text = f"{part.name}: {len(match.renamed)} media are stored under another name"
            items = tuple(f"{name} = {store_id}" for name, store_id in match.renamed.items())
            yield Finding("info", "renamed-media", text, items)
    yield from _narrow(sorted(used), media)
    unused = [media_id for media_id in media.ids() if media_id not in used]
    if unused:
        text = f"{len(unused)} of {len(media)} media in the stores are in no row"
        yield Finding("info", "unused-media", text, tuple(unused))


def _narrow(media_ids: Sequence[str], media: MediaSource) -> Iterator[Finding]:
    items = []
    for media_id in media_ids:
        entry = known_entry(media, media_id)
        if entry and (reason := describe_narrow(entry.height, entry.width)):
            items.append(f"{media_id}: {reason}")
    if items:
        text = f"{len(items)} media are so long or so wide that scaling leaves nothing to read"
        yield Finding("warning", "narrow-media", text, tuple(items))
