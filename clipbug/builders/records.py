"""Join the rows of annotation files with their media, for training, inference and evaluation."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clipbug.config import RunConfig
from clipbug.config.data import DataFormat
from clipbug.config.task import find_task
from clipbug.data.annotations import (
    MediaMatch,
    detect_family,
    load_aliases,
    match_media,
    read_annotations,
    refuse_missing,
)
from clipbug.data.annotations.families import family_of
from clipbug.data.annotations.numbers import with_number
from clipbug.data.loading.frame_size import describe_narrow
from clipbug.data.media import MediaSource
from clipbug.data.records import Record
from clipbug.data.store.store import known_entry, open_stores
from clipbug.errors import DataError
from clipbug.workspace.storage import Storage

logger = logging.getLogger(__name__)


def asked_task(task: str, paths: Sequence[str | Path]) -> str:
    """Return the task whose annotations these files hold, for a model of `task`.

    It is the model's own task, or one that the model can answer without being trained for it: a retrieval
    model can tell which of several texts matches (MSRVTT multiple choice).
    """
    others = find_task(task).also_answers
    family = detect_family(Path(paths[0])) if others and paths else None
    return next((other.task_name() for other in others if other.family == family), task)


def read_records(paths: Sequence[str | Path], task: str, *, data_format: DataFormat = "auto") -> list[Record]:
    """Return all rows of the files, in order; an id that is in an earlier file gets its file in front."""
    records: list[Record] = []
    taken: set[str] = set()
    for number, path in enumerate(map(Path, paths)):
        rows = read_annotations(path, family=family_of(task, data_format))
        if find_task(task).answers_are_numbers:
            rows = [with_number(row) for row in rows]
        prefix = f"{number}:{path.stem}/"
        renamed = [
            replace(row, record_id=prefix + row.record_id) if row.record_id in taken else row for row in rows
        ]
        taken.update(row.record_id for row in renamed)
        records.extend(renamed)
    return records


def open_media(paths: Sequence[str | Path], storage: Storage) -> MediaSource:
    """Open the named stores, or all stores under the storage.

    Raises:
        DataError: there is no store.
    """
    stores = [Path(path) for path in paths] or storage.stores()
    if not stores:
        raise DataError(
            f"there is no store under {storage.stores_dir}",
            "make one: clipbug ingest FOLDER --ext mp4 avi (or png jpg)",
        )
    return open_stores(stores)


def match_records(
    paths: Sequence[str | Path], config: RunConfig, media: MediaSource, *, task: str | None = None
) -> MediaMatch:
    """Join the rows of the files with the stores.

    Args:
        task: whose rows they are; None: of the config's.

    Raises:
        DataError: an answer of a task that counts is no number; or media is missing and `data.allow_missing`
            is not set.
    """
    records = read_records(paths, task or config.task.name, data_format=config.data.format)
    return join_media(records, config, media)


def join_media(records: Sequence[Record], config: RunConfig, media: MediaSource) -> MediaMatch:
    """Join rows with the media in the stores that they are about.

    Raises:
        DataError: media is missing and `data.allow_missing` is not set.
    """
    aliases = None if config.data.aliases is None else load_aliases(Path(config.data.aliases))
    match = match_media(records, media, aliases=aliases)
    if not config.data.allow_missing:
        refuse_missing(match.missing, len(records), media)
    if match.missing:
        logger.warning(
            "%d of %d rows are left out, their media is in no store: %s",
            len(match.missing),
            len(records),
            ", ".join(dict.fromkeys(record.media_id for record in match.missing)),
        )
    if match.renamed:
        shown = ", ".join(f"{name} = {store_id}" for name, store_id in list(match.renamed.items())[:5])
        logger.info("%d media are stored under another name: %s ...", len(match.renamed), shown)
    _warn_of_narrow(match.found, config, media)
    return match


def _warn_of_narrow(records: Sequence[Record], config: RunConfig, media: MediaSource) -> None:
    """Warn of media that are too narrow to be read after scaling."""
    narrow = []
    for media_id in dict.fromkeys(record.media_id for record in records):
        entry = known_entry(media, media_id)
        reason = entry and describe_narrow(entry.height, entry.width, config.max_frame_size)
        if reason:
            narrow.append(f"{media_id} ({reason})")
    if narrow:
        more = f" and {len(narrow) - 5} more; `clipbug data check` names them" if len(narrow) > 5 else ""
        logger.warning(
            "%d media are too long or too wide to be read: %s%s", len(narrow), ", ".join(narrow[:5]), more
        )


def records_with_media(paths: Sequence[str | Path], config: RunConfig, media: MediaSource) -> list[Record]:
    """Return the rows of the files whose media is in the stores; see `match_records`."""
    return match_records(paths, config, media).found
