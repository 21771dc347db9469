"""`clipbug data split`: parts of an annotation file that share no recording and no scenario."""

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
class SplitReport:
    """Where the parts are and what they hold."""

    train: str
    test: str
    train_rows: int
    test_rows: int
    train_media: int
    test_media: int
    groups: int

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return asdict(self)


def split_annotations(
    path: Path,
    *,
    output: Path,
    groups: Path | None = None,
    group_by: Sequence[str] = (),
    share: float = 0.25,
    seed: int = 0,
) -> SplitReport:
    """Write `output`/train.jsonl and `output`/test.jsonl; whole groups of recordings go to one side.

    Variants of one scenario (the same bug recorded by several people) must not be split: a model would
    recognize the scenario instead of answering. Recordings of one issue always stay together: by the field
    `issue`, or by names such as `repo_issue_7_video_1`.

    Args:
        path: annotation file of any family and kind; JSON lines are written as they are.
        output: folder of the two files.
        groups: JSON whose innermost lists name the media of one group, e.g. {app: {bug: [ids]}}. Media in no
            list are a group of their own.
        group_by: fields of the rows, such as app or caption; media of rows with equal values stay together.
        share: of the groups that go to the test file, at least one group on each side.
        seed: which ones.

    Raises:
        DataError: a file cannot be read; fewer than two groups; the output holds files already.
        ValueError: share outside (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    read_annotations(path)  # raises where a row cannot be used
    rows = scan_annotations(path).rows
    _refuse_unknown_fields(path, rows, group_by)
    media_of_line = [fold_id(record.media_id) for _, record in rows]
    lines = _lines_of(path, [fields for fields, _ in rows])
    group_of = _groups(
        [*_named_groups(groups, set(media_of_line)), *_groups_of_rows(rows, ("issue", *group_by))],
        media_of_line,
    )
    held_out = _choose(sorted(set(group_of.values())), share, seed, path)
    parts: dict[str, list[str]] = {"train": [], "test": []}
    media: dict[str, set[str]] = {"train": set(), "test": set()}
    for line, media_id in zip(lines, media_of_line, strict=True):
        part = "test" if group_of[media_id] in held_out else "train"
        parts[part].append(line)
        media[part].add(media_id)
    files = {part: output / f"{part}.jsonl" for part in parts}
    _write(files, parts)
    return SplitReport(
        train=str(files["train"]),
        test=str(files["test"]),
        train_rows=len(parts["train"]),
        test_rows=len(parts["test"]),
        train_media=len(media["train"]),
        test_media=len(media["test"]),
        groups=len(set(group_of.values())),
    )


def _lines_of(path: Path, rows: Sequence[Row]) -> list[str]:
    """A JSON line for each row: as the file has it, or made of the row where the file has other forms."""
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
        raise DataError(f"no row of {path} has a field {unknown[0]!r}", f"fields there: {known}")


def _groups(groups: Iterable[Sequence[str]], media_ids: Iterable[str]) -> dict[str, str]:
    """Media id -> name of its group (its least member); groups that share media are one."""
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
    """The groups that a file names."""
    if path is None:
        return []
    try:
        tree = read_json(path)
    except (OSError, JsonError) as error:
        raise DataError(
            f"{path} cannot be read as JSON: {error}", "give a file such as {app: {bug: [media ids]}}"
        ) from error
    named = [[fold_id(str(member)) for member in members] for members in _lists(tree)]
    if not any(member in media_ids for members in named for member in members):
        raise DataError(
            f"the lists of {path} name no image or recording of the rows",
            f"ids of the rows: {', '.join(sorted(media_ids)[:3])}",
        )
    return named


def _groups_of_rows(rows: Sequence[tuple[Row, Record]], names: Sequence[str]) -> list[list[str]]:
    """Media whose rows are equal in a field, or whose names say the same issue."""
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
            f"{path} has {len(names)} group of media: nothing to split", "leave --groups out, or add data"
        )
    shuffled = list(names)
    random.Random(seed).shuffle(shuffled)
    return set(shuffled[: min(max(round(share * len(names)), 1), len(names) - 1)])


def _write(files: Mapping[str, Path], parts: Mapping[str, Sequence[str]]) -> None:
    for path in files.values():
        if path.exists():
            raise DataError(f"{path} exists", "name another folder with --output, or remove it")
    for part, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, "\n".join(parts[part]) + "\n")
