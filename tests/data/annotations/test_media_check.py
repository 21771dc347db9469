"""Media ids: by their name, by an alias, without the file's ending, or in no store."""

import json
from pathlib import Path

import pytest

from clipbug.data.annotations import load_aliases, match_media, refuse_missing
from clipbug.data.records import CaptionRecord
from clipbug.errors import DataError
from tests.helpers.fake_media import FakeMedia, fake_image


def rows(*media_ids: str) -> list[CaptionRecord]:
    return [
        CaptionRecord(f"{index}", media_id, "a list", source=f"train.jsonl:{index}")
        for index, media_id in enumerate(media_ids, start=1)
    ]


def store(*media_ids: str) -> FakeMedia:
    return FakeMedia({media_id: fake_image(size=(8, 8), seed=1) for media_id in media_ids})


def test_known_ids_pass() -> None:
    given = rows("a", "b", "a")
    match = match_media(given, store("a", "b", "c"))
    assert (match.found, match.missing, match.renamed) == (given, [], {})


def test_aliases_and_names_of_files_find_their_media_and_records_keep_their_ids() -> None:
    given = rows("APOD-CC1", "video1", "clips/video2.mp4", "GNU.CC1", "APOD-CC9")
    media = store("video0", "video1", "video2", "GNU.CC1")
    match = match_media(given, media, aliases={"APOD-CC1": "video0", "APOD-CC9": "video8"})
    assert [record.media_id for record in match.found] == ["video0", "video1", "video2", "GNU.CC1"]
    assert [record.record_id for record in match.found] == ["1", "2", "3", "4"]
    assert match.renamed == {"APOD-CC1": "video0", "clips/video2.mp4": "video2"}
    assert [record.media_id for record in match.missing] == ["APOD-CC9"]  # its alias is in no store either


def test_what_is_no_ending_of_a_media_file_belongs_to_the_name() -> None:
    match = match_media(rows("app.1", "app.CC2", "a/b", "app.MOV"), store("app", "b"))
    assert [record.media_id for record in match.missing] == ["app.1", "app.CC2", "a/b"]
    assert match.renamed == {"app.MOV": "app"}


def test_an_id_of_the_store_is_never_taken_for_an_alias() -> None:
    match = match_media(rows("a"), store("a", "b"), aliases={"a": "b"})
    assert [record.media_id for record in match.found] == ["a"]


def test_unknown_ids_are_named_once_with_their_first_place() -> None:
    media = store("video70", "video71", "other")
    match = match_media(rows("video70", "video7", "video7"), media)
    with pytest.raises(DataError) as caught:
        refuse_missing(match.missing, 3, media)
    assert "2 of 3 rows refer to 1 media items that are not in the store (of 3 items)" in caught.value.message
    assert "'video7' at train.jsonl:2 (nearest: " in caught.value.message
    assert "'video70'" in caught.value.message
    assert "'other'" not in caught.value.message
    assert "clipbug ingest" in caught.value.hint
    assert "--allow-missing" in caught.value.hint


def test_all_unknown_ids_are_named() -> None:
    names = [f"v{number}" for number in range(12)]
    with pytest.raises(DataError) as caught:
        refuse_missing(rows(*names), 12, store())
    assert "... and 7 more: " in caught.value.message
    assert all(name in caught.value.message for name in names)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": ["b"]}'])
def test_bad_alias_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "aliases.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"aliases\.json"):
        load_aliases(path)


def test_ids_of_aliases_may_be_numbers(tmp_path: Path) -> None:
    path = tmp_path / "aliases.json"
    path.write_text(json.dumps({"a": 7}))
    assert load_aliases(path) == {"a": "7"}
