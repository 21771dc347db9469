"""What is text, what an icon, what another script; splitting lines; reading each line once."""

import numpy as np
import pytest

from clipbug.perception.ocr import split_at_gaps, without_caret
from clipbug.perception.scripts import clean, is_look_alike, judge
from clipbug.perception.text import TextReader
from tests.perception.recordings import FakeEngine, screen, with_text

PAPER = np.full((30, 300, 3), 255, np.uint8)


@pytest.mark.parametrize(
    ("text", "confidence", "width", "height", "verdict"),
    [
        ("Settings", 0.99, 70, 22, "text"),
        ("OK", 0.99, 30, 22, "text"),
        ("设置", 0.99, 44, 22, "text"),
        ("", 0.0, 110, 22, "unreadable"),  # "Настройки"
        ("O", 0.69, 80, 22, "unreadable"),  # "Отмена"
        ("", 0.0, 22, 22, "icon"),
        ("白", 0.96, 22, 22, "icon"),
        ("Writen by Adly Qsmal", 0.4, 160, 20, "icon"),  # too faint to trust, but of this script
    ],
)
def test_verdicts(text: str, confidence: float, width: float, height: float, verdict: str) -> None:
    assert judge(text, confidence, width, height) == verdict


def test_look_alikes() -> None:
    assert is_look_alike("BECHA")
    assert not is_look_alike("Settings")
    assert not is_look_alike("12:30")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [("Q Search cars", "Search cars"), ("→ Next", "Next"), ("I agree", "I agree"), ("•••", "•••")],
)
def test_icons_are_cut_off(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_labels_that_stand_apart_are_split() -> None:
    crop = with_text(with_text(PAPER, "Home and work", 5, 5), "Edit", 240, 5)
    spans = split_at_gaps(crop)
    assert len(spans) == 2
    assert spans[0][1] < 200 < spans[1][0] + 1 <= 241


def test_words_of_a_line_stay_together() -> None:
    assert len(split_at_gaps(with_text(PAPER, "What needs to be done?", 5, 5))) == 1


@pytest.mark.parametrize("text", ["seal", "pause", "Iraq", "l"])
def test_a_caret_is_painted_over_and_letters_are_not(text: str) -> None:
    crop = with_text(PAPER, text, 5, 5)
    with_caret = crop.copy()
    right = int(np.flatnonzero((crop < 128).any(axis=(0, 2)))[-1]) + 3
    with_caret[3:27, right : right + 2] = 0
    assert np.array_equal(without_caret(with_caret), crop)
    assert np.array_equal(without_caret(crop), crop)


def test_nothing_is_read_twice() -> None:
    engine = FakeEngine()
    reader = TextReader(engine)
    first = np.full((200, 200, 3), 255, np.uint8)
    first[20:32, 20:120] = (40, 60, 90)
    second = first.copy()
    second[120:132, 20:90] = (40, 60, 90)
    assert len(reader.read(first)) == 1
    assert reader.read(first) == reader.read(first)
    assert engine.num_read == 1
    lines = reader.read(second)
    assert [line.box[1] < 100 for line in lines] == [True, False]
    assert engine.num_read == 2
    moved = np.roll(first, 60, axis=0)  # the same line elsewhere
    assert len(reader.read(moved)) == 1
    assert engine.num_read == 2


@pytest.mark.slow
def test_the_models_read_what_is_drawn() -> None:
    from clipbug.perception.ocr import RapidOcr

    words = ["Account of Ines", "Delete this note?", "What needs to be done?", "Reminders of today", "12:45"]
    picture = screen("Settings", words)
    found = {line.text for line in TextReader(RapidOcr()).read(picture)}
    assert found >= {"Settings", *words}


@pytest.mark.slow
def test_large_and_dark_screens_are_read_as_well() -> None:
    from clipbug.perception.frames import FrameStore
    from clipbug.perception.moments import read_frame
    from clipbug.perception.ocr import RapidOcr
    from tests.perception.recordings import Drawn

    large = np.kron(screen("Inbox", ["Cake on Sunday"], paper=(30, 30, 30)), np.ones((3, 3, 1), np.uint8))
    frames = FrameStore(Drawn([large]))
    lines = read_frame(frames, 0, TextReader(RapidOcr()))
    assert [line.text for line in lines] == ["Inbox", "Cake on Sunday"]
    assert lines[1].box == pytest.approx((60, 252, 400, 310), abs=40)  # the models' boxes have wide margins
