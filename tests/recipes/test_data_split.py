import json
from pathlib import Path

import pytest

from clipbug.errors import DataError
from clipbug.recipes.data_split import split_annotations


def write_rows(path: Path, media_ids: list[str]) -> Path:
    rows = [
        {"video_id": media_id, "question": f"question {number}?", "answer": "yes", "answer_type": "what"}
        for media_id in media_ids
        for number in range(2)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def read_media(path: str) -> set[str]:
    return {json.loads(line)["video_id"] for line in Path(path).read_text().splitlines()}


def test_groups_of_recordings_are_never_divided(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "all.jsonl", [f"video{number}" for number in range(12)])
    pairs = {"app": {f"bug{n}": [f"video{2 * n}", f"video{2 * n + 1}"] for n in range(5)}}
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps(pairs))

    report = split_annotations(source, output=tmp_path / "out", groups=groups, share=0.3, seed=1)

    train, test = read_media(report.train), read_media(report.test)
    assert train | test == {f"video{number}" for number in range(12)}
    assert not train & test
    assert report.groups == 7  # five pairs, and two recordings that no list names
    for first, second in pairs["app"].values():
        assert (first in train) == (second in train)
    assert (report.train_rows, report.test_rows) == (2 * len(train), 2 * len(test))


def test_the_seed_decides_and_rows_keep_their_text(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "all.jsonl", [f"video{number}" for number in range(8)])
    first = split_annotations(source, output=tmp_path / "a", seed=3)
    again = split_annotations(source, output=tmp_path / "b", seed=3)
    other = split_annotations(source, output=tmp_path / "c", seed=4)
    assert Path(first.test).read_bytes() == Path(again.test).read_bytes()
    assert read_media(first.test) != read_media(other.test)
    both = Path(first.train).read_text().splitlines() + Path(first.test).read_text().splitlines()
    assert sorted(both) == sorted(source.read_text().splitlines())


def test_nothing_to_split_and_nothing_overwritten(tmp_path: Path) -> None:
    single = write_rows(tmp_path / "one.jsonl", ["video1"])
    with pytest.raises(DataError, match="all its media are in one group"):
        split_annotations(single, output=tmp_path / "out")
    several = write_rows(tmp_path / "two.jsonl", ["video1", "video2"])
    split_annotations(several, output=tmp_path / "out")
    before = (tmp_path / "out" / "train.jsonl").read_bytes()
    with pytest.raises(DataError, match="exists"):
        split_annotations(several, output=tmp_path / "out", seed=9)
    assert (tmp_path / "out" / "train.jsonl").read_bytes() == before
    with pytest.raises(ValueError, match=r"1\.5"):
        split_annotations(several, output=tmp_path / "other", share=1.5)


def test_files_of_every_kind_are_split(tmp_path: Path) -> None:
    table = tmp_path / "all.csv"
    table.write_text("video_id;question;answer;notes\n3,0;one;red;x\n4,0;two;ä;y\n", encoding="utf-16")
    report = split_annotations(table, output=tmp_path / "table", group_by=["notes"])
    rows = [json.loads(Path(path).read_text(encoding="utf-8")) for path in (report.train, report.test)]
    assert sorted(rows, key=lambda row: row["video_id"]) == [
        {"video_id": "3,0", "question": "one", "answer": "red", "notes": "x"},
        {"video_id": "4,0", "question": "two", "answer": "ä", "notes": "y"},
    ]
    array = tmp_path / "all.json"
    array.write_text('[{"video_id": "a", "question": "q"},\n{"video_id": "b", "question": "q"}]')
    report = split_annotations(array, output=tmp_path / "array")
    assert read_media(report.train) | read_media(report.test) == {"a", "b"}


def test_groups_name_ids_in_other_forms(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "all.jsonl", ["3.0", "4", "Caf\u00e9", "x"])
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps([[3, "4.0", "Cafe\u0301"]]))
    assert split_annotations(source, output=tmp_path / "out", groups=groups).groups == 2
    groups.write_text(json.dumps({"app": ["y", "z"]}))
    with pytest.raises(DataError, match=r"groups\.json contain no media id of the rows"):
        split_annotations(source, output=tmp_path / "out2", groups=groups)
    with pytest.raises(DataError, match=r"no row of .* has a field 'ap'"):
        split_annotations(source, output=tmp_path / "other", group_by=["ap"])
