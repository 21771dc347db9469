"""The schema, and whole timelines of drawn recordings."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from clipbug.errors import DataError
from clipbug.perception.frames import FrameStore
from clipbug.perception.ocr import RapidOcr
from clipbug.perception.reader import read_timeline
from clipbug.perception.timeline import Event, Problem, Screen, TextLine, Timeline
from clipbug.perception.touches import FoundTouches, Touch
from tests.perception.recordings import (
    Drawn,
    FakeEngine,
    Picture,
    hold,
    screen,
    slide,
    with_dialog,
    with_text,
)

LINE = TextLine(text="Save", box=(1.0, 2.0, 3.0, 4.0), confidence=0.9, first_seconds=0.0, last_seconds=1.0)
TIMELINE = Timeline(
    media_id="a",
    file="a.mp4",
    duration_seconds=2.0,
    width=360,
    height=640,
    content_box=(0.0, 0.0, 360.0, 640.0),
    screens=(Screen(start_seconds=0.0, end_seconds=2.0, frame_seconds=1.23456, title="Save", texts=(LINE,)),),
    events=(
        Event(time_seconds=1.0, end_seconds=1.1, kind="tap", x=1.0, y=2.0, target="Save", target_kind="text"),
    ),
    problem=Problem(kind="crash", time_seconds=1.5, reason="it says so", confidence=0.9),
)


def test_json_and_back() -> None:
    row = json.loads(json.dumps(TIMELINE.to_json()))
    assert row["version"] == 1
    assert row["screens"][0]["frame_seconds"] == 1.235
    assert "pointer" not in row
    assert Timeline.from_json(row).to_json() == row


def test_a_pointer_is_in_the_json_where_there_is_one() -> None:
    row = TIMELINE.model_copy(update={"pointer": ((0.0, 1.0, 2.0),)}).to_json()
    assert row["pointer"] == [[0.0, 1.0, 2.0]]


def test_added_fields_are_ignored_and_wrong_ones_named() -> None:
    row = TIMELINE.to_json()
    assert Timeline.from_json({**row, "new": 1}) == Timeline.from_json(row)
    with pytest.raises(DataError, match="version 2"):
        Timeline.from_json({**row, "version": 2})
    with pytest.raises(DataError, match="width"):
        Timeline.from_json({**row, "width": "wide"})


@pytest.fixture(scope="module")
def engine() -> RapidOcr:
    return RapidOcr()


def read(
    pictures: list[Picture], engine: RapidOcr, touches: list[Touch] | None = None, fps: float = 10.0
) -> Timeline:
    def find(frames: FrameStore) -> FoundTouches:
        return FoundTouches(touches or [], "disc" if touches else "none")

    return read_timeline(Drawn(pictures, fps), media_id="m", file="m.mp4", engine=engine, touches=find)


HOME = screen("Home", ["Profile", "Messages", "Settings", "Help and feedback"])
SETTINGS = screen("Settings", ["Account", "Sounds", "Language", "About this app"])


@pytest.mark.slow
def test_nothing_moving_is_no_event(engine: RapidOcr) -> None:
    timeline = read(hold(HOME, 3.0), engine)
    assert timeline.events == ()
    assert timeline.problem is None
    assert [(s.start_seconds, s.end_seconds, s.title, s.kind) for s in timeline.screens] == [
        (0.0, 3.0, "Home", "page")
    ]
    assert [line.text for line in timeline.screens[0].texts][:3] == ["Home", "Profile", "Messages"]
    assert timeline.theme == "light"


@pytest.mark.slow
def test_a_touch_is_named_by_the_text_under_it(engine: RapidOcr) -> None:
    pictures = [*hold(HOME, 1.0), *slide(HOME, SETTINGS), *hold(SETTINGS, 1.0)]
    tap = Touch(0.8, 0.9, 60, 188, "tap", 0.95, ((0.8, 60, 188),))
    timeline = read(pictures, engine, [tap])
    assert [screen.title for screen in timeline.screens] == ["Home", "Settings"]
    (event,) = timeline.events
    assert (event.kind, event.target, event.target_kind, event.changed, event.screen) == (
        *("tap", "Settings", "text", True, 0),
    )


@pytest.mark.slow
def test_without_marks_what_opens_tells_of_a_tap(engine: RapidOcr) -> None:
    pressed = HOME.copy()
    pressed[172:208, 10:130] = np.minimum(pressed[172:208, 10:130], 215)
    pictures = [*hold(HOME, 1.0), pressed, *slide(HOME, SETTINGS), *hold(SETTINGS, 1.0)]
    (event,) = read(pictures, engine).events
    assert (event.kind, event.target) == ("tap", "Settings")
    assert event.confidence < 0.6
    assert event.time_seconds == pytest.approx(1.0, abs=0.11)


@pytest.mark.slow
def test_a_dialog_is_a_screen_and_an_error_in_it_a_problem(engine: RapidOcr) -> None:
    sound = with_dialog(HOME, "Delete note", "Do you want to delete it")
    failed = with_dialog(HOME, "Something went wrong", "Please try again later")
    fine = read([*hold(HOME, 1.0), *hold(sound, 1.0)], engine)
    assert [(screen.title, screen.kind) for screen in fine.screens] == [
        ("Home", "page"),
        ("Delete note", "dialog"),
    ]
    assert fine.problem is None
    bad = read([*hold(HOME, 1.0), *hold(failed, 1.0)], engine).problem
    assert bad is not None
    assert (bad.kind, bad.time_seconds) == ("error dialog", 1.0)
    assert "Something went wrong" in bad.reason


@pytest.mark.slow
def test_typed_text_is_read_without_its_placeholder(engine: RapidOcr) -> None:
    page = screen("New note", ["", "", "Folder: Kitchen"])
    pictures = hold(with_text(page, "Title", 20, 84, ink=(150, 150, 150)), 1.0)
    for length in range(1, len("buy milk") + 1):
        typed = with_text(page, "buy milk"[:length], 20, 84)
        typed[82:106, 22 + 9 * length : 24 + 9 * length] = 20  # the caret
        pictures += [typed, typed]
    pictures += hold(with_text(page, "buy milk", 20, 84), 1.0)
    events = [event for event in read(pictures, engine).events if event.kind == "type"]
    (event,) = events
    assert (event.text, event.target, event.target_kind) == ("buy milk", "Title", "field")
    assert event.time_seconds == pytest.approx(1.0, abs=0.25)  # a letter takes 0.2 s here
    assert event.end_seconds == pytest.approx(2.5, abs=0.3)


@pytest.mark.slow
def test_a_scrolled_list_is_one_screen_and_one_scroll(engine: RapidOcr) -> None:
    lines = [f"{word} potatoes" for word in ("One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight")]
    lines += [f"{word} carrots" for word in ("Nine", "Ten", "Eleven", "Twelve", "Many", "Some", "More")]
    pictures = hold(screen("Market", lines), 1.0)
    pictures += [screen("Market", lines, offset=offset) for offset in range(24, 144, 24)]
    pictures += hold(screen("Market", lines, offset=144), 1.0)
    timeline = read(pictures, engine)
    assert [(event.kind, event.direction) for event in timeline.events] == [("scroll", "down")]
    (market,) = timeline.screens
    texts = {line.text: line for line in market.texts}
    assert texts["One potatoes"].last_seconds < 1.2 < texts["Some carrots"].first_seconds


@pytest.mark.slow
def test_a_black_end_is_a_problem_and_a_dark_theme_is_none(engine: RapidOcr) -> None:
    black = np.zeros_like(HOME)
    dark = screen("Home", ["Profile", "Messages"], paper=(20, 20, 20), bar=(40, 40, 40))
    problem = read([*hold(HOME, 1.0), *hold(black, 2.0)], engine).problem
    assert problem is not None
    assert problem.kind == "black screen"
    timeline = read([*hold(dark, 1.0), *hold(screen("Chat", ["Hi"], paper=(20, 20, 20)), 2.0)], engine)
    assert timeline.problem is None
    assert timeline.theme == "dark"


def test_other_scripts_are_reported_and_never_quoted() -> None:
    class Baffled(FakeEngine):
        """As the models are by Cyrillic: they give nothing, or a letter or two."""

        def recognize(self, crops: Sequence[Picture]) -> list[tuple[str, float]]:
            return [("", 0.0) if number % 2 else ("O", 0.7) for number in range(len(crops))]

    picture = np.full((640, 360, 3), 255, np.uint8)
    for row in range(4):
        picture[100 + 48 * row : 114 + 48 * row, 20:150] = (40, 60, 90)
    timeline = read_timeline(Drawn([picture]), media_id="m", file="m.png", engine=Baffled())
    assert timeline.screens[0].texts == ()
    assert [line.box[1] for line in timeline.unreadable] == [97.0, 145.0, 193.0, 241.0]
    assert {line.script for line in timeline.unreadable} == {"unknown"}
