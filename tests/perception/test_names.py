"""Names of targets, shapes of widgets, the phone round an app: on screens drawn here."""

import cv2
import numpy as np
import pytest

from clipbug.perception.content_box import find_content_box
from clipbug.perception.frames import FrameStore
from clipbug.perception.icons import widget_at
from clipbug.perception.keyboard import keyboard_top
from clipbug.perception.names import Place, name_target, place_in_words
from clipbug.perception.plateaus import find_motion
from clipbug.perception.screens import find_title
from clipbug.perception.text import Line
from clipbug.perception.timeline import Box
from tests.perception.recordings import Drawn, Picture, hold, screen

PAGE = np.full((640, 360, 3), 255, np.uint8)


def line(text: str, left: float, top: float, width: float = 90, height: float = 20) -> Line:
    return Line(text, (left, top, left + width, top + height), 0.99)


def place(*lines: Line, picture: Picture = PAGE, dialog: Box | None = None) -> Place:
    return Place(lines, picture, 1.0, 360.0, 640.0, dialog)


def drawn(kind: str) -> Picture:
    page, ink = PAGE.copy(), (60, 60, 60)
    x, y = 200, 300
    if kind == "menu":
        for dy in (-7, 0, 7):
            cv2.line(page, (x - 10, y + dy), (x + 10, y + dy), ink, 2)
    elif kind == "plus":
        cv2.line(page, (x - 10, y), (x + 10, y), ink, 3)
        cv2.line(page, (x, y - 10), (x, y + 10), ink, 3)
    elif kind == "close":
        cv2.line(page, (x - 8, y - 8), (x + 8, y + 8), ink, 2)
        cv2.line(page, (x - 8, y + 8), (x + 8, y - 8), ink, 2)
    elif kind == "back":
        cv2.line(page, (x + 4, y - 9), (x - 5, y), ink, 2)
        cv2.line(page, (x - 5, y), (x + 4, y + 9), ink, 2)
    elif kind == "more":
        for dy in (-7, 0, 7):
            cv2.circle(page, (x, y + dy), 2, ink, -1)
    elif kind == "checkbox":
        cv2.rectangle(page, (x - 9, y - 9), (x + 9, y + 9), ink, 2)
    elif kind == "radio":
        cv2.circle(page, (x, y), 10, ink, 2)
    elif kind == "toggle":
        cv2.rectangle(page, (x - 12, y - 12), (x + 12, y + 12), (40, 160, 80), -1)
        for dx in (-12, 12):
            cv2.circle(page, (x + dx, y), 12, (40, 160, 80), -1)
        cv2.circle(page, (x + 12, y), 9, (255, 255, 255), -1)
    return page


@pytest.mark.parametrize("kind", ["menu", "plus", "close", "back", "more", "checkbox", "radio", "toggle"])
def test_widgets_are_told_by_their_shape(kind: str) -> None:
    assert widget_at(drawn(kind), 201, 298, 1.0) == kind


def test_an_empty_page_has_no_widget() -> None:
    assert widget_at(PAGE, 200, 300, 1.0) is None


def test_text_under_the_finger() -> None:
    assert name_target(place(line("Save", 40, 100), line("Cancel", 40, 160)), 60, 108).name == "Save"


def test_a_toggle_is_named_by_its_row() -> None:
    target = name_target(
        place(line("Reminders", 20, 290), line("Sync", 20, 240), picture=drawn("toggle")), 200, 300
    )
    assert (target.name, target.kind) == ("Reminders", "toggle")


def test_a_field_is_named_by_its_label() -> None:
    target = name_target(place(line("Username", 20, 200), line("Your username", 20, 222)), 60, 230)
    assert (target.name, target.kind) == ("Username", "field")


def test_a_tab_is_named_by_the_text_below_its_icon() -> None:
    target = name_target(place(line("Home", 30, 612, 40), line("Settings", 270, 612, 60)), 298, 596)
    assert (target.name, target.kind) == ("Settings", "tab")


def test_beside_a_dialog_is_outside() -> None:
    target = name_target(place(line("Delete?", 60, 260), dialog=(40.0, 240.0, 320.0, 400.0)), 180, 80)
    assert target.kind == "outside"


def test_nothing_near_is_a_place_in_words() -> None:
    assert name_target(place(), 330, 600).name == "bottom right"
    assert place_in_words(0.5, 0.5) == "middle of the screen"


def test_titles() -> None:
    bar = [line("Cancel", 10, 20, 60), line("Add Event", 130, 20, 100), line("Done", 300, 20, 50)]
    body = [line(f"Row {number}", 20, 100 + 48 * number) for number in range(6)]
    found = find_title([*bar, *body], 640)
    assert found is not None
    assert found.text == "Add Event"
    status = [line("12:30", 20, 5, 40, 14), line("app.example.com/home", 60, 30, 200, 16)]
    assert find_title([*status, line("Inbox", 60, 60, 60, 26), *body], 640) == line("Inbox", 60, 60, 60, 26)


def test_a_keyboard_is_told_by_its_keys() -> None:
    rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    keys = [
        line(key, 10 + 34 * x, 420 + 50 * y, 14) for y, row in enumerate(rows) for x, key in enumerate(row)
    ]
    top = keyboard_top([line("Title", 20, 80), *keys], 640)
    assert top == pytest.approx(415, abs=25)  # the upper edge of the keys, give or take their margin
    assert keyboard_top([line("Title", 20, 80)], 640) is None


def test_a_phone_round_the_app_is_left_out() -> None:
    app = screen("Home", ["One", "Two"], size=(500, 280))
    other = screen("Other", ["Three"], size=(500, 280))
    phone = np.full((640, 360, 3), 30, np.uint8)
    framed = []
    for picture in (*hold(app, 1.0), *hold(other, 1.0)):
        frame = phone.copy()
        frame[70:570, 40:320] = picture
        framed.append(frame)
    frames = FrameStore(Drawn(framed))
    assert find_content_box(frames, find_motion(frames)) == pytest.approx(
        (40, 70, 320, 570), abs=6
    )  # 3 small pixels
    plain = FrameStore(Drawn([*hold(app, 1.0), *hold(other, 1.0)]))
    assert find_content_box(plain, find_motion(plain)) == (0.0, 0.0, 280.0, 500.0)
