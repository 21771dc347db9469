"""Media ids that are not in the store."""

import pytest

from clipbug.data.annotations import check_media
from clipbug.data.records import CaptionRecord
from clipbug.errors import DataError
from tests.fakes import FakeMedia, fake_image


def rows(*media_ids: str) -> list[CaptionRecord]:
    return [
        CaptionRecord(f"{index}", media_id, "a list", source=f"train.jsonl:{index}")
        for index, media_id in enumerate(media_ids, start=1)
    ]


def store(*media_ids: str) -> FakeMedia:
    return FakeMedia({media_id: fake_image(size=(8, 8), seed=1) for media_id in media_ids})


def test_known_ids_pass() -> None:
    check_media(rows("a", "b", "a"), store("a", "b", "c"))


def test_unknown_ids_are_named_once_with_their_first_place() -> None:
    with pytest.raises(DataError) as caught:
        check_media(rows("video70", "video7", "video7"), store("video70", "video71", "other"))
    assert "2 of 3 rows name media that the store (of 3) does not have; ids: 1" in caught.value.message
    assert "'video7' at train.jsonl:2 (nearest: " in caught.value.message
    assert "'video70'" in caught.value.message
    assert "'other'" not in caught.value.message
    assert "clipbug ingest" in caught.value.hint


def test_many_unknown_ids_are_counted() -> None:
    with pytest.raises(DataError, match=r"\.\.\. and 7 more"):
        check_media(rows(*(f"v{number}" for number in range(12))), store())
