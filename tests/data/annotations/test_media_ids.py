"""Ids of annotations find the ids of a store in every form that tools give them."""

import unicodedata

import pytest

from clipbug.data.annotations.media_ids import IdFinder, file_stem, fold_id, whole_number
from tests.helpers.fake_media import FakeMedia, fake_image

NFC = unicodedata.normalize("NFC", "Café Ångström")
NFD = unicodedata.normalize("NFD", NFC)
MIXED = NFC.replace("é", "e\u0301")


def store(*media_ids: str) -> FakeMedia:
    return FakeMedia({media_id: fake_image(size=(8, 8), seed=1) for media_id in media_ids})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.0", "3"),
        ("3,0", "3"),
        ("10.000", "10"),
        ("-2.0", "-2"),
        ("0.0", "0"),
        ("003.0", "003.0"),
        ("003", "003"),
        ("3.5", "3.5"),
        ("3.", "3."),
        ("v3.0", "v3.0"),
        ("1.2.0", "1.2.0"),
        ("3.0\n", "3.0\n"),
    ],
)
def test_whole_numbers(text: str, expected: str) -> None:
    assert whole_number(text) == expected


@pytest.mark.parametrize("asked", [NFC, NFD, MIXED])
@pytest.mark.parametrize("stored", [NFC, NFD, MIXED])
def test_unicode_forms(asked: str, stored: str) -> None:
    finder = IdFinder(store("other", stored))
    assert finder.find(asked) == finder.find_form(asked) == stored
    assert finder.find(f"videos/{asked}.mp4") == stored
    assert IdFinder(store("v1"), {stored: "v1"}).find(asked) == "v1"
    assert IdFinder(store(stored), {"x": asked}).find("x") == stored
    assert fold_id(asked) == fold_id(stored)


def test_the_form_that_is_written_comes_first() -> None:
    assert [IdFinder(store(NFC, NFD)).find(form) for form in (NFC, NFD)] == [NFC, NFD]
    assert [IdFinder(store("3", "3.0")).find(form) for form in ("3", "3.0", "3,0")] == ["3", "3.0", "3"]
    assert IdFinder(store(NFC, NFD)).find_form("cafe") is None


def test_of_two_that_fit_in_another_form_none_is_guessed() -> None:
    letters = "e\u0301\u0323", "\u00e9\u0323", "\u1eb9\u0301", "e\u0323\u0301"
    assert len({unicodedata.normalize("NFC", text) for text in letters}) == 1
    nfd = unicodedata.normalize("NFD", letters[0])
    others = [text for text in letters if text not in (unicodedata.normalize("NFC", nfd), nfd)]
    assert IdFinder(store(*others)).find(nfd) is None


@pytest.mark.parametrize(
    "asked",
    [
        r"C:\videos\a.mp4",
        r"videos\a.mp4",
        r"\\server\share\a.MOV",
        "C:a.mp4",
        "C:/videos/a.mp4",
        "/videos/a.webm",
        "file:///videos/a.mp4",
        "/data/local-files/?d=videos/a.mp4",
    ],
)
def test_paths_of_every_system(asked: str) -> None:
    assert IdFinder(store("a")).find(asked) == "a"


def test_what_names_no_media_file_is_no_path() -> None:
    finder = IdFinder(store("a", "b"))
    assert [finder.find(name) for name in (r"videos\a", "videos/a", "a.txt", "a.0")] == [None] * 4
    assert file_stem("x:y.mp4") == "x:y"
    assert IdFinder(store("x:y")).find("x:y.mp4") == "x:y"


def test_ids_that_became_floats() -> None:
    finder = IdFinder(store("3", "10"), {"7": "10"})
    assert [finder.find(name) for name in ("3.0", "3,0", "10.00", "7.0")] == ["3", "3", "10", "10"]
    assert [finder.find(name) for name in ("003", "3.5", "3.0.png", "30")] == [None] * 4
