"""What the parts of a data set share that they must not."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import combinations

from clipbug.checks.dataset.findings import Finding, Part, by_family, place
from clipbug.checks.dataset.records import same_row
from clipbug.data.annotations.issue_names import issue_of_name
from clipbug.data.annotations.media_ids import fold_id
from clipbug.data.records import CaptionRecord, Record
from clipbug.metrics.text import fold
from clipbug.workspace.storage import Split

_SPLITS: tuple[Split, ...] = ("train", "val", "test")


def check_splits(parts: Sequence[Part]) -> Iterator[Finding]:
    """Findings about pairs of parts, files of one family only."""
    unnamed = [part.name for part in parts if part.split is None]
    if unnamed and len(parts) > 1:
        text = "no word in these names says train, val or test: not compared (name them with --train, --test)"
        yield Finding("info", "no-split", text, tuple(unnamed))
    for of_family in by_family(parts):
        rows = {split: _records(part for part in of_family if part.split == split) for split in _SPLITS}
        for earlier, later in combinations(_SPLITS, 2):
            yield from _leaks(earlier, rows[earlier], later, rows[later])


def copied_rows(known: Sequence[Record], asked: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Rows of `asked` that say the same about the same visual as a row of `known`, with that row."""
    return _shared(known, asked, same_row)


def _records(parts: Iterable[Part]) -> list[Record]:
    return [record for part in parts for record in part.records]


def _leaks(earlier: str, known: Sequence[Record], later: str, asked: Sequence[Record]) -> Iterator[Finding]:
    copies = copied_rows(known, asked)
    if copies:
        text = f"{len(copies)} of {len(asked)} {later} rows are copies of {earlier} rows"
        yield Finding("error", "leaked-row", text, _pairs(copies))
    media = Counter(record.media_id for record, _ in _shared(known, asked, lambda row: fold_id(row.media_id)))
    if media:
        text = f"{len(media)} visuals of {later} are in {earlier} too"
        items = tuple(f"{media_id}: {count} {later} rows" for media_id, count in media.items())
        yield Finding("warning", "leaked-media", text, items)
    siblings = _of_others(_shared(known, asked, _caption))
    if siblings:
        text = f"{len(siblings)} {later} rows have the caption of another recording in {earlier}"
        yield Finding("warning", "leaked-caption", text, _pairs(siblings))
    issues = _of_others(_shared(known, asked, lambda row: issue_of_name(row.media_id)))
    if issues:
        text = f"{len(issues)} {later} rows are of an issue of which {earlier} has another recording"
        yield Finding("warning", "leaked-issue", text, _pairs(issues))


def _shared(
    known: Sequence[Record], asked: Sequence[Record], key: Callable[[Record], Hashable | None]
) -> list[tuple[Record, Record]]:
    """Rows of the later part, each with the first row of the earlier one that has the same key."""
    first: dict[Hashable, Record] = {}
    for record in known:
        first.setdefault(key(record), record)
    first.pop(None, None)
    return [(record, first[key(record)]) for record in asked if key(record) in first]


def _of_others(pairs: Sequence[tuple[Record, Record]]) -> list[tuple[Record, Record]]:
    return [(record, other) for record, other in pairs if fold_id(record.media_id) != fold_id(other.media_id)]


def _caption(record: Record) -> str | None:
    return fold(record.caption) if isinstance(record, CaptionRecord) else None


def _pairs(pairs: Sequence[tuple[Record, Record]]) -> tuple[str, ...]:
    return tuple(f"{place(record)} = {place(other)}" for record, other in pairs)
