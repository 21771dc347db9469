"""The frames on the page are the ones at the times that the predictions name."""

import base64
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from clipbug.data.store import open_stores
from clipbug.errors import DataError
from clipbug.recipes import report_frames
from clipbug.recipes.report_frames import make_filmstrips
from clipbug.report.contents import Card, Filmstrip, Vote
from tests.report.building import card
from tests.video_factory import read_index


def about(media_id: str, *seconds: float, **changes: object) -> Card:
    return replace(card(media_id=media_id, **changes), votes=(Vote(0.0, 1.0, seconds, "yes", 0.5),))


def numbers_in(strip: Filmstrip) -> list[int]:
    data = np.frombuffer(base64.b64decode(strip.uri.partition(",")[2]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture.shape[:2] == (strip.height, strip.width * len(strip.frame_seconds))
    return [read_index(frame) for frame in np.split(picture, len(strip.frame_seconds), axis=1)]


def test_frames_at_their_times(synthetic_store: Path) -> None:
    cards = [
        about("even", 0.0, 1.2, 3.9),  # 10 pictures a second
        about("late", 0.0, 0.5),  # its first picture is at 2 s, which is second 0 of the recording
        about("uneven", 0.1, 1.0, 2.5),  # a picture each 0.1 s for 2 s, then 30 a second
        about("screen", 0.0),
    ]
    strips, notes = make_filmstrips(cards, lambda: open_stores([synthetic_store]))
    assert notes == []
    assert numbers_in(strips["even"]) == [0, 12, 39]
    assert numbers_in(strips["late"]) == [0, 5]
    assert numbers_in(strips["uneven"]) == [1, 10, 35]
    assert numbers_in(strips["screen"]) == [77]


def test_what_is_missing_is_named(synthetic_store: Path) -> None:
    cards = [about("even", 0.0), about("nowhere", 0.0)]
    strips, notes = make_filmstrips(cards, lambda: open_stores([synthetic_store]))
    assert list(strips) == ["even"]
    assert "nowhere" in notes[0]


def test_without_stores_there_is_still_a_report() -> None:
    def nothing() -> None:
        raise DataError("there is no store under storage")

    strips, notes = make_filmstrips([about("even", 0.0)], nothing)  # type: ignore[arg-type]
    assert strips == {}
    assert notes == ["No frames: there is no store under storage."]


def test_the_worst_answers_keep_their_frames(synthetic_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_frames, "MAX_FRAMES", 4)
    cards = [
        about("even", 0.0, 0.1, score=1.0, answer="no"),
        about("late", 0.0, 0.1),
        about("uneven", 0.0, 0.1),
    ]
    strips, notes = make_filmstrips(cards, lambda: open_stores([synthetic_store]))
    assert set(strips) == {"late", "uneven"}
    assert "1 others have none" in notes[0]
