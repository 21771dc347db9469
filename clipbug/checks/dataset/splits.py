"""Check for leaks between the splits of a data set."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import combinations

from clipbug.checks.dataset.findings import CheckedFile, Finding, by_family, source_line
from clipbug.checks.dataset.records import content_key
from clipbug.data.annotations.issue_names import issue_of_name
from clipbug.data.annotations.media_ids import fold_id
from clipbug.data.records import CaptionRecord, Record
from clipbug.metrics.text import fold
from clipbug.workspace.storage import Split

_SPLITS: tuple[Split, ...] = ("train", "val", "test")


def check_splits(files: Sequence[CheckedFile]) -> Iterator[Finding]:
    """Yield findings about rows and media that several splits share, within each family."""
    unnamed = [file.name for file in files if file.split is None]
    if unnamed and len(files) > 1:
        text = (
            "these file names contain no split (train, val, test): not compared; use --train, --val, --test"
        )
        yield Finding("info", "no-split", text, tuple(unnamed))
    for family_files in by_family(files):
        rows = {split: _records(file for file in family_files if file.split == split) for split in _SPLITS}
        for earlier, later in combinations(_SPLITS, 2):
            yield from _leaks(earlier, rows[earlier], later, rows[later])


def copied_rows(earlier: Sequence[Record], later: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Return the rows of `later` that are copies of a row of `earlier`, each with that row."""
    return _shared(earlier, later, content_key)


def _records(files: Iterable[CheckedFile]) -> list[Record]:
    return [record for file in files for record in file.records]


def _leaks(earlier: str, known: Sequence[Record], later: str, asked: Sequence[Record]) -> Iterator[Finding]:
    copies = copied_rows(known, asked)
    if copies:
        text = f"{len(copies)} of {len(asked)} {later} rows are copies of {earlier} rows"
        yield Finding("error", "leaked-row", text, _pairs(copies))
    media = Counter(record.media_id for record, _ in _shared(known, asked, lambda row: fold_id(row.media_id)))
    if media:
        text = f"{len(media)} media items of {later} are also in {earlier}"
        items = tuple(f"{media_id}: {count} {later} rows" for media_id, count in media.items())
        yield Finding("warning", "leaked-media", text, items)
    siblings = _different_media(_shared(known, asked, _caption))
    if siblings:
        text = f"{len(siblings)} {later} rows have the caption of another recording in {earlier}"
        yield Finding("warning", "leaked-caption", text, _pairs(siblings))
    issues = _different_media(_shared(known, asked, lambda row: issue_of_name(row.media_id)))
    if issues:
        text = f"{len(issues)} {later} rows belong to an issue that has another recording in {earlier}"
        yield Finding("warning", "leaked-issue", text, _pairs(issues))


def _shared(
    earlier: Sequence[Record], later: Sequence[Record], key: Callable[[Record], Hashable | None]
) -> list[tuple[Record, Record]]:
    """Return the rows of `later` whose key occurs in `earlier`, each with the first such row."""
    first: dict[Hashable, Record] = {}
    for record in earlier:
        first.setdefault(key(record), record)
    first.pop(None, None)
    return [(record, first[key(record)]) for record in later if key(record) in first]


def _different_media(pairs: Sequence[tuple[Record, Record]]) -> list[tuple[Record, Record]]:
    return [(record, other) for record, other in pairs if fold_id(record.media_id) != fold_id(other.media_id)]


def _caption(record: Record) -> str | None:
    return fold(record.caption) if isinstance(record, CaptionRecord) else None


def _pairs(pairs: Sequence[tuple[Record, Record]]) -> tuple[str, ...]:
    return tuple(f"{source_line(record)} = {source_line(other)}" for record, other in pairs)
