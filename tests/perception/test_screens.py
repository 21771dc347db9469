"""Still stretches, screens and scrolling, on frames drawn here."""

import numpy as np
import pytest

from clipbug.perception.changes import dimmed_box
from clipbug.perception.frames import FrameStore, Sizes
from clipbug.perception.plateaus import find_motion, find_plateaus
from clipbug.perception.shift import find_shift
from tests.perception.recordings import Drawn, hold, screen, slide, with_dialog

LINES = [f"Entry number {word}" for word in ("one", "two", "three", "four", "five", "six", "seven", "eight")]
HOME, AWAY = screen("Home", LINES[:5]), screen("Away", LINES[5:])


def plateaus_of(source: Drawn) -> list[tuple[float, float]]:
    frames = FrameStore(source)
    found = find_plateaus(frames, find_motion(frames))
    return [(float(frames.seconds[p.first]), frames.end_of(p.last)) for p in found]


def test_a_page_that_slides_in_parts_two_plateaus() -> None:
    pictures = [*hold(HOME, 1.0), *slide(HOME, AWAY), *hold(AWAY, 1.0)]
    assert plateaus_of(Drawn(pictures)) == [(0.0, 1.0), pytest.approx((1.4, 2.4))]


def test_nothing_moving_is_one_plateau() -> None:
    assert plateaus_of(Drawn(hold(HOME, 3.0))) == [(0.0, 3.0)]


def test_one_frame() -> None:
    assert plateaus_of(Drawn([HOME])) == [(0.0, 0.0)]


def test_no_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match="no frame"):
        FrameStore(Drawn([]))


@pytest.mark.parametrize("fps", [4.0, 120.0])
def test_any_frame_rate(fps: float) -> None:
    pictures = [*hold(HOME, 1.0, fps), *hold(AWAY, 1.0, fps)]
    assert plateaus_of(Drawn(pictures, fps)) == [
        (0.0, pytest.approx(1.0)),
        (pytest.approx(1.0), pytest.approx(2.0)),
    ]


def test_a_video_inside_the_page_is_no_storm_of_plateaus() -> None:
    random = np.random.default_rng(1)
    pictures = []
    for _ in range(60):
        picture = HOME.copy()
        picture[360:520, 40:320] = random.integers(0, 255, (160, 280, 3), np.uint8)
        pictures.append(picture)
    assert len(plateaus_of(Drawn(pictures))) <= 2  # the first second may count as one of its own


def test_a_blinking_caret_is_no_change() -> None:
    on = HOME.copy()
    on[84:104, 100:102] = 0
    pictures = [picture for _ in range(4) for picture in (*hold(HOME, 0.5), *hold(on, 0.5))]
    assert plateaus_of(Drawn(pictures)) == [(0.0, 4.0)]


def test_memory_is_bounded_by_a_lower_rate() -> None:
    random = np.random.default_rng(2)
    noise = [random.integers(0, 255, (160, 90, 3), np.uint8) for _ in range(200)]
    frames = FrameStore(Drawn(noise, 30.0), budget_bytes=2_000_000)
    assert len(frames) < 60
    assert frames.seconds[-1] > 6.0  # to the end, only thinner
    assert np.all(np.diff(frames.seconds) > 0)


@pytest.mark.parametrize("offset", [30, 96, 150])
def test_scrolled_lists_give_their_shift(offset: int) -> None:
    long_list = [f"{number}. {word} of the list" for number, word in enumerate(LINES * 3)]
    frames = FrameStore(Drawn([screen("List", long_list), screen("List", long_list, offset=offset)]))
    shift = find_shift(frames.luma(0), frames.luma(1))
    assert shift is not None
    assert shift.dy * frames.scale == pytest.approx(-offset, abs=frames.scale)  # a small pixel


def test_another_page_is_no_shift() -> None:
    frames = FrameStore(Drawn([HOME, screen("About", ["Made by hand", "All rights reserved"])]))
    assert find_shift(frames.luma(0), frames.luma(1)) is None


def test_a_dialog_is_found_by_what_it_dims() -> None:
    frames = FrameStore(Drawn([HOME, with_dialog(HOME, "Delete?", "This cannot be undone")]))
    box = dimmed_box(frames.luma(0), frames.luma(1))
    assert box == pytest.approx((1 / 9, 1 / 3, 8 / 9, 2 / 3), abs=0.04)  # a cell is 1/36 wide
    assert dimmed_box(frames.luma(0), frames.luma(0)) is None


@pytest.mark.parametrize(
    ("size", "reading", "small"),
    [
        ((640, 360), (640, 360), (341, 192)),
        ((2400, 1080), (1600, 720), (427, 192)),
        ((1660, 2582), (1234, 1920), (411, 640)),
        ((40, 30), (40, 30), (40, 30)),
    ],
)
def test_sizes(size: tuple[int, int], reading: tuple[int, int], small: tuple[int, int]) -> None:
    sizes = Sizes.of(*size)
    assert (sizes.reading, sizes.small) == (reading, small)
