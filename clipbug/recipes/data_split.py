"""`clipbug data split`: split an annotation file into train and test without shared recordings or groups."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbug.data.annotations import read_annotations, scan_annotations
from clipbug.data.annotations.fields import Row
from clipbug.data.annotations.issue_names import issue_of_name
from clipbug.data.annotations.media_ids import fold_id
from clipbug.data.records import Record
from clipbug.errors import DataError
from clipbug.metrics.text import fold
from clipbug.runtime.files import atomic_write
from clipbug.runtime.json_reading import JsonError, decode_text, parse_whole, read_json


@dataclass(frozen=True, slots=True)
class SplitResult:
    """The files of the splits and the numbers of their rows, media items and groups."""

    train: str
    test: str
    train_rows: int
    test_rows: int
    train_media: int
    test_media: int
    groups: int

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def split_annotations(
    path: Path,
    *,
    output: Path,
    groups: Path | None = None,
    group_by: Sequence[str] = (),
    share: float = 0.25,
    seed: int = 0,
) -> SplitResult:
    """Write `output`/train.jsonl and `output`/test.jsonl; each group of recordings goes to one of them.

    Recordings of the same scenario, such as one bug recorded by several people, must be in the same split:
    otherwise a model could recognize the scenario instead of answering. Recordings of the same issue always
    stay together, by the field `issue` or by names such as `repo_issue_7_video_1`.

    Args:
        path: annotation file of any family; JSON lines are copied unchanged.
        output: folder for the two files.
        groups: JSON file whose innermost lists are the media ids of one group, e.g. {app: {bug: [ids]}}. Each
            media item in no list is its own group.
        group_by: fields, such as app or caption; media of rows with equal values stay together.
        share: fraction of the groups in the test split; each split gets at least one group.
        seed: random seed of the choice.

    Returns:
        The files and their counts.

    Raises:
        DataError: a file cannot be read, there are fewer than two groups, or the output files exist.
        ValueError: `share` is outside (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share}")
    read_annotations(path)  # raises for an unreadable row
    rows = scan_annotations(path).rows
    _refuse_unknown_fields(path, rows, group_by)
    media_of_line = [fold_id(record.media_id) for _, record in rows]
    lines = _lines_of(path, [fields for fields, _ in rows])
    group_of = _groups(
        [*_named_groups(groups, set(media_of_line)), *_groups_of_rows(rows, ("issue", *group_by))],
        media_of_line,
    )
    held_out = _choose(sorted(set(group_of.values())), share, seed, path)
    lines_of_split: dict[str, list[str]] = {"train": [], "test": []}
    media: dict[str, set[str]] = {"train": set(), "test": set()}
    for line, media_id in zip(lines, media_of_line, strict=True):
        split = "test" if group_of[media_id] in held_out else "train"
        lines_of_split[split].append(line)
        media[split].add(media_id)
    files = {split: output / f"{split}.jsonl" for split in lines_of_split}
    _write(files, lines_of_split)
    return SplitResult(
        train=str(files["train"]),
        test=str(files["test"]),
        train_rows=len(lines_of_split["train"]),
        test_rows=len(lines_of_split["test"]),
        train_media=len(media["train"]),
        test_media=len(media["test"]),
        groups=len(set(group_of.values())),
    )


def _lines_of(path: Path, rows: Sequence[Row]) -> list[str]:
    """Return a JSON line for each row: the line of the file, or the serialized row for other formats."""
    lines = [line.strip() for line in decode_text(path.read_bytes()).split("\n") if line.strip()]
    if len(lines) == len(rows) and all(map(_is_value, lines)):
        return lines
    return [json.dumps(row, ensure_ascii=False) for row in rows]


def _is_value(line: str) -> bool:
    try:
        parse_whole(line)
    except JsonError:
        return False
    return True


def _refuse_unknown_fields(path: Path, rows: Sequence[tuple[Row, Record]], names: Sequence[str]) -> None:
    unknown = [name for name in names if all(name not in fields for fields, _ in rows)]
    if unknown:
        known = ", ".join(dict.fromkeys(name for fields, _ in rows for name in fields))
        raise DataError(f"no row of {path} has a field {unknown[0]!r}", f"available fields: {known}")


def _groups(groups: Iterable[Sequence[str]], media_ids: Iterable[str]) -> dict[str, str]:
    """Return media id -> name of its group, its smallest member; groups with shared media are merged."""
    leader = {media_id: media_id for media_id in media_ids}

    def find(media_id: str) -> str:
        while leader[media_id] != media_id:
            leader[media_id] = media_id = leader[leader[media_id]]
        return media_id

    for group in groups:
        present = [media_id for media_id in group if media_id in leader]
        for media_id in present[1:]:
            one, other = sorted((find(present[0]), find(media_id)))
            leader[other] = one
    return {media_id: find(media_id) for media_id in leader}


def _named_groups(path: Path | None, media_ids: Set[str]) -> list[list[str]]:
    """Return the groups in a file."""
    if path is None:
        return []
    try:
        tree = read_json(path)
    except (OSError, JsonError) as error:
        raise DataError(
            f"{path} is not valid JSON: {error}", "give a file such as {app: {bug: [media ids]}}"
        ) from error
    named = [[fold_id(str(member)) for member in members] for members in _lists(tree)]
    if not any(member in media_ids for members in named for member in members):
        raise DataError(
            f"the lists in {path} contain no media id of the rows",
            f"media ids of the rows: {', '.join(sorted(media_ids)[:3])}",
        )
    return named


def _groups_of_rows(rows: Sequence[tuple[Row, Record]], names: Sequence[str]) -> list[list[str]]:
    """Return groups of media whose rows are equal in a field, or whose names contain the same issue."""
    groups: dict[tuple[str, Any], list[str]] = {}
    for fields, record in rows:
        media_id = fold_id(record.media_id)
        for name in names:
            if fields.get(name) is not None:
                groups.setdefault((name, fold(json.dumps(fields[name]))), []).append(media_id)
        issue = issue_of_name(record.media_id)
        if issue is not None:
            groups.setdefault(("name", issue), []).append(media_id)
    return list(groups.values())


def _lists(tree: Any) -> Iterable[Sequence[Any]]:
    if isinstance(tree, list):
        members = [child for child in tree if not isinstance(child, list | Mapping)]
        if members:
            yield members
        for child in tree:
            yield from _lists(child) if isinstance(child, list | Mapping) else ()
    elif isinstance(tree, Mapping):
        for child in tree.values():
            yield from _lists(child)


def _choose(names: Sequence[str], share: float, seed: int, path: Path) -> set[str]:
    if len(names) < 2:
        raise DataError(
            f"{path} cannot be split: all its media are in one group", "omit --groups, or add data"
        )
    shuffled = list(names)
    random.Random(seed).shuffle(shuffled)
    return set(shuffled[: min(max(round(share * len(names)), 1), len(names) - 1)])


def _write(files: Mapping[str, Path], lines: Mapping[str, Sequence[str]]) -> None:
    for path in files.values():
        if path.exists():
            raise DataError(f"{path} already exists", "choose another folder with --output, or delete it")
    for split, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, "\n".join(lines[split]) + "\n")
