"""Marks of each kind at known times and places are found; what apps do by themselves is not."""

import subprocess
import sys
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from clipbug.perception.frames import Picture
from clipbug.perception.touches import FoundTouches, color_name, find_touches
from tests.perception.drawn_touches import WIDTH, Draw, Recording, arrow, disc, during, page, ring

GRAY, BLUE, RED, WHITE = (128, 128, 128), (40, 120, 230), (220, 40, 40), (255, 255, 255)
SECONDS, PIXELS = 0.15, 0.05 * WIDTH  # what the documentation promises


def android(picture: Picture, x: float, y: float) -> None:
    disc(picture, x, y, WHITE, 15, 0.7)
    cv2.circle(picture, (round(x), round(y)), 15, (70, 70, 70), 2, cv2.LINE_AA)


def ripple(picture: Picture, x: float, y: float, age: float) -> None:
    disc(picture, x, y, RED, 9, 0.8 * (1 - age))
    mark = picture.copy()
    cv2.circle(mark, (round(x), round(y)), round(10 + 18 * age), RED, 3, cv2.LINE_AA)
    picture[:] = cv2.addWeighted(picture, age, mark, 1 - age, 0)


MARKS: dict[str, Callable[[Picture, float, float], None]] = {
    "simulator": lambda picture, x, y: disc(picture, x, y, GRAY, 20, 0.6),
    "android": android,
    "small disc": lambda picture, x, y: disc(picture, x, y, BLUE, 7, 0.9),
    "large disc": lambda picture, x, y: disc(picture, x, y, BLUE, 34, 0.5),
    "ring": lambda picture, x, y: ring(picture, x, y, RED),
}
TAPS = [(1.0, 120.0, 205.0), (2.2, 240.0, 470.0)]


def taps(mark: Callable[[Picture, float, float], None], *, held: float = 0.15) -> list[Draw]:
    return [during(t, t + held, lambda picture, x=x, y=y: mark(picture, x, y)) for t, x, y in TAPS]


def assert_taps(found: FoundTouches, expected: list[tuple[float, float, float]] = TAPS) -> None:
    assert [touch.kind for touch in found.touches] == ["tap"] * len(expected)
    for touch, (seconds, x, y) in zip(found.touches, expected, strict=True):
        assert abs(touch.time - seconds) <= SECONDS
        assert np.hypot(touch.x - x, touch.y - y) <= PIXELS


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", MARKS)
def test_taps_of_each_mark(kind: str, dark: bool) -> None:
    recording = Recording(page(dark=dark), taps(MARKS[kind]))
    found = find_touches(recording.store())
    assert_taps(found)
    if kind != "android":  # white on white is a ring to the eye, too
        assert found.indicator == ("ring" if kind == "ring" else "disc")
    assert found.pointer == ()


def test_ripple_is_one_touch() -> None:
    def layer(picture: Picture, seconds: float) -> None:
        for start, x, y in TAPS:
            if 0 <= seconds - start < 0.4:
                ripple(picture, x, y, (seconds - start) / 0.4)

    assert_taps(find_touches(Recording(layers=[layer]).store()))


def test_fading_disc_is_one_touch() -> None:
    def layer(picture: Picture, seconds: float) -> None:
        for start, x, y in TAPS:
            if 0 <= seconds - start < 0.4:
                disc(picture, x, y, GRAY, 18, 0.7 * (1 - max(0.0, seconds - start - 0.1) / 0.3))

    assert_taps(find_touches(Recording(layers=[layer]).store()))


@pytest.mark.parametrize("fps", [4.0, 8.0, 30.0])
def test_few_and_many_frames_a_second(fps: float) -> None:
    recording = Recording(layers=taps(MARKS["simulator"], held=max(0.1, 1 / fps)), fps=fps)
    found = find_touches(recording.store())
    assert len(found.touches) == 2
    for touch, (seconds, _, _) in zip(found.touches, TAPS, strict=True):
        assert 0 <= touch.time - seconds + 1e-6 <= max(SECONDS, 1 / fps)


def test_page_that_opens_after_a_tap_is_no_touch() -> None:
    following = page(title="Storage", dark=True)

    def slide(picture: Picture, seconds: float) -> None:
        edge = round(WIDTH * np.clip(1 - (seconds - 1.2) / 0.3, 0, 1))
        picture[:, edge:] = following[:, : WIDTH - edge]

    tap = during(1.0, 1.15, lambda picture: MARKS["simulator"](picture, 150, 205))
    assert_taps(find_touches(Recording(layers=[slide, tap]).store()), [(1.0, 150, 205)])


def test_swipe() -> None:
    def finger(picture: Picture, seconds: float) -> None:
        if 1.0 - 1e-6 <= seconds <= 1.4:
            disc(picture, 180, 500 - 600 * (seconds - 1.0), GRAY)

    (touch,) = find_touches(Recording(layers=[finger]).store()).touches
    assert touch.kind == "swipe"
    assert abs(touch.time - 1.0) <= SECONDS
    assert abs(touch.end - 1.4) <= SECONDS
    assert touch.path[-1][2] < touch.path[0][2] - 100
    assert abs(touch.path[-1][1] - touch.path[0][1]) < PIXELS


def test_long_press() -> None:
    press = during(1.0, 2.2, lambda picture: disc(picture, 150, 300, GRAY))
    (touch,) = find_touches(Recording(layers=[press]).store()).touches
    assert touch.kind == "long_press"
    assert abs(touch.end - 2.2) <= SECONDS


def test_quick_taps_stay_apart() -> None:
    places = [(1.0, 100.0, 210.0), (1.45, 100.0, 210.0), (1.9, 150.0, 215.0)]
    layers = [during(t, t + 0.1, lambda picture, x=x, y=y: disc(picture, x, y, GRAY)) for t, x, y in places]
    assert_taps(find_touches(Recording(layers=layers).store()), places)


def test_double_tap() -> None:
    layers = [during(t, t + 0.1, lambda picture: disc(picture, 200, 300, GRAY)) for t in (1.0, 1.25)]
    (touch,) = find_touches(Recording(layers=layers).store()).touches
    assert touch.kind == "double_tap"
    assert abs(touch.time - 1.0) <= SECONDS


def slide_in(picture: Picture, seconds: float) -> None:
    following = page(title="Account")
    edge = round(WIDTH * np.clip(1 - (seconds - 1.0) / 0.3, 0, 1))
    picture[:, edge:] = following[:, : WIDTH - edge]


def dialog(picture: Picture, seconds: float) -> None:
    if seconds >= 1.0:
        picture[:] = (picture * 0.5).astype(np.uint8)
        cv2.rectangle(picture, (50, 220), (310, 400), WHITE, -1)
        cv2.putText(picture, "Delete?", (80, 300), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2, cv2.LINE_AA)


def switch(picture: Picture, seconds: float) -> None:
    is_on = 1.0 <= seconds < 2.5
    cv2.rectangle(picture, (290, 190), (325, 212), (60, 180, 90) if is_on else (170, 170, 170), -1)
    cv2.circle(picture, (322 if is_on else 293, 201), 12, WHITE, -1, cv2.LINE_AA)


def typing(picture: Picture, seconds: float) -> None:
    cv2.rectangle(picture, (20, 440), (340, 485), WHITE, -1)
    text = "walk the dog"[: max(0, round((seconds - 0.8) / 0.15))]
    cv2.putText(picture, text, (30, 470), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 1, cv2.LINE_AA)
    if seconds % 1.0 < 0.5:
        left = 32 + cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 1)[0][0]
        cv2.line(picture, (left, 448), (left, 478), (0, 0, 0), 2)


def spinner(picture: Picture, seconds: float) -> None:
    cv2.ellipse(
        picture, (180, 320), (20, 20), 0, seconds * 360, seconds * 360 + 270, (40, 90, 220), 4, cv2.LINE_AA
    )


def badge(picture: Picture, seconds: float) -> None:
    if seconds >= 1.5:
        cv2.circle(picture, (330, 28), 9, (220, 40, 40), -1, cv2.LINE_AA)
        cv2.putText(picture, "3", (326, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.4, WHITE, 1, cv2.LINE_AA)


def avatar(picture: Picture, seconds: float) -> None:
    if seconds >= 1.5:
        cv2.circle(picture, (60, 290), 24, (120, 170, 90), -1, cv2.LINE_AA)
        cv2.putText(picture, "A", (50, 300), cv2.FONT_HERSHEY_SIMPLEX, 0.9, WHITE, 2, cv2.LINE_AA)


def recorder_dot(picture: Picture, seconds: float) -> None:
    if seconds % 1.0 < 0.5:
        cv2.circle(picture, (340, 12), 6, (230, 30, 30), -1, cv2.LINE_AA)


def film(picture: Picture, seconds: float) -> None:
    noise = np.random.default_rng(round(seconds * 20)).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    picture[200:380, 40:320] = cv2.resize(noise, (280, 180))


@pytest.mark.parametrize(
    "layer",
    [slide_in, dialog, switch, typing, spinner, badge, avatar, recorder_dot, film],
    ids=lambda f: f.__name__,
)
def test_what_the_app_does_is_no_touch(layer: Draw) -> None:
    found = find_touches(Recording(layers=[layer]).store())
    assert found.touches == []
    assert found.indicator == "none"


def test_nothing_moves() -> None:
    assert find_touches(Recording().store()) == FoundTouches()


def test_one_frame() -> None:
    assert find_touches(Recording(duration_seconds=0.05).store()) == FoundTouches()


def pointer_way(seconds: float) -> tuple[float, float]:
    """Move from row to row, with a rest of 0.7 s at each."""
    stops = [(60, 600), (200, 205), (120, 375), (250, 545)]
    leg = min(int(seconds), 2)
    share = float(np.clip((seconds - leg) / 0.3, 0, 1))
    (x, y), (u, v) = stops[leg], stops[leg + 1]
    return x + (u - x) * share, y + (v - y) * share


def test_pointer_rests_and_ways_are_no_gestures() -> None:
    found = find_touches(Recording(layers=[lambda picture, t: arrow(picture, *pointer_way(t))]).store())
    assert found.touches == []
    assert found.indicator == "cursor"
    times = [t for t, _, _ in found.pointer]
    assert times == sorted(times)
    assert np.hypot(found.pointer[-1][1] - 250, found.pointer[-1][2] - 545) <= PIXELS


def test_click_is_told_by_what_changes_under_the_pointer() -> None:
    lit = during(
        1.2, 9.0, lambda picture: cv2.rectangle(picture, (0, 150), (WIDTH, 234), (190, 215, 250), -1)
    )
    layers = [lit, lambda picture, t: arrow(picture, *pointer_way(max(0.0, t - 0.5)))]
    found = find_touches(Recording(layers=layers).store())
    (touch,) = found.touches
    assert touch.kind == "tap"
    assert abs(touch.time - 1.2) <= SECONDS


def test_click_rings_round_the_pointer() -> None:
    rings = [
        during(t, t + 0.15, lambda picture, t=t: ring(picture, *pointer_way(t), RED)) for t in (0.6, 1.6, 2.6)
    ]
    layers = [*rings, lambda picture, t: arrow(picture, *pointer_way(t))]
    found = find_touches(Recording(layers=layers).store())
    assert found.indicator == "ring"
    assert found.indicator_color == "red"
    assert_taps(found, [(t, *pointer_way(t)) for t in (0.6, 1.6, 2.6)])


@pytest.mark.parametrize(
    ("color", "name"),
    [
        (GRAY, "gray"),
        (WHITE, "white"),
        ((10, 10, 10), "black"),
        (BLUE, "blue"),
        (RED, "red"),
        ((250, 150, 30), "orange"),
    ],
)
def test_names_of_colours(color: tuple[int, int, int], name: str) -> None:
    assert color_name(color) == name


def test_torch_is_not_imported() -> None:
    """Reading must start fast, and works where torch is broken."""
    code = (
        "import sys, clipbug.perception.touches as t, clipbug.perception.touch_network as n; n._session(); "
    )
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
