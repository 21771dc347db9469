"""Drawn recordings and screens: what the truth says is what the pixels show; nothing gives answers away."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from clipbug.data.annotations.read import read_annotations
from clipbug.data.records import QuestionRecord
from clipbug.synthetic.balance import without_surplus
from clipbug.synthetic.canvas import Rect
from clipbug.synthetic.dataset import SyntheticDataset, make_dataset
from clipbug.synthetic.drawing import DOT_COLORS, DOT_RADIUS, draw_screen
from clipbug.synthetic.pools import HELDOUT_POOL, TRAIN_POOL, Pool
from clipbug.synthetic.questions import image_rows, video_rows
from clipbug.synthetic.recorder import draw_shots
from clipbug.synthetic.screen import KINDS, POSITIONS, Screen, position_of
from clipbug.synthetic.script import Truth, perform
from clipbug.synthetic.session import Session
from clipbug.synthetic.session_plan import plan_recordings, spread
from clipbug.synthetic.stills import draw_stills
from clipbug.synthetic.style import SCREEN_HEIGHT, SCREEN_WIDTH, Style, draw_style
from clipbug.synthetic.widgets import KEYBOARD
from clipbug.synthetic.writing import WRONG_COUNTERS, Writer

CODEC_TOLERANCE = (
    60  # of 255, largest channel: H.264 at this quality, with half the colour resolution, blurs edges
)
SIZES = {"num_train": 6, "num_heldout": 2, "num_train_images": 8, "num_heldout_images": 4}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SyntheticDataset:
    return make_dataset(tmp_path_factory.mktemp("synthetic"), **SIZES, seed=3)


@pytest.fixture(scope="module")
def played() -> list[tuple[Session, Truth]]:
    """120 sessions, played but not encoded."""
    plans = plan_recordings(120, np.random.default_rng(0))
    return [perform(plan, TRAIN_POOL, np.random.default_rng([1, i])) for i, plan in enumerate(plans)]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _decode(path: Path) -> tuple[list[NDArray[np.uint8]], list[float]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_rgb().to_ndarray().astype(np.uint8) for frame in frames], [
        float(frame.time) for frame in frames
    ]


def _screen(style: Style, **changes: Any) -> Screen:
    screen = Writer(TRAIN_POOL, np.random.default_rng(5)).screen(changes.pop("kind", "list"), "bottom")
    return replace(screen, **changes)


def _styles(pool: Pool, count: int = 30) -> list[Style]:
    generator = np.random.default_rng(11)
    return [draw_style(pool, generator, is_dark=bool(index % 2)) for index in range(count)]


def _is_filled(image: NDArray[np.uint8], box: Rect, color: tuple[int, int, int]) -> bool:
    return bool((image[box.top : box.bottom, box.left : box.right] == color).all())


def test_pools_have_nothing_in_common() -> None:
    for field in fields(Pool):
        train, heldout = set(getattr(TRAIN_POOL, field.name)), set(getattr(HELDOUT_POOL, field.name))
        assert train, field.name
        assert heldout, field.name
        assert not train & heldout, field.name


def test_styles_and_words_come_from_their_pool() -> None:
    for pool, other in ((TRAIN_POOL, HELDOUT_POOL), (HELDOUT_POOL, TRAIN_POOL)):
        for style in _styles(pool):
            assert style.layout.row_height in pool.row_heights
            assert style.layout.padding in pool.paddings
            assert style.layout.radius in pool.radii
            assert style.theme.tints == pool.tints
            assert style.theme.is_dark or style.theme.accent in pool.accents
            assert style.theme.background in (*pool.light_backgrounds, *pool.dark_backgrounds)
            assert style.theme.background not in (*other.light_backgrounds, *other.dark_backgrounds)
        words = " ".join(Writer(pool, np.random.default_rng(0)).phrases(40)).split()
        assert not set(words) & {*other.nouns, *other.qualities}


def test_same_seed_gives_same_bytes(dataset: SyntheticDataset, tmp_path: Path) -> None:
    make_dataset(tmp_path / "again", **SIZES, seed=3)
    make_dataset(tmp_path / "other", **SIZES, seed=4)
    names = sorted(path.relative_to(dataset.folder) for path in dataset.folder.rglob("*") if path.is_file())
    assert len(names) == sum(SIZES.values()) + 8
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (dataset.folder / name).read_bytes(), name
    different = [
        name
        for name in names
        if (tmp_path / "other" / name).read_bytes() != (dataset.folder / name).read_bytes()
    ]
    assert different == names


def test_recordings_decode_to_the_scripted_frames(dataset: SyntheticDataset) -> None:
    for split, count in ((dataset.train, SIZES["num_train"]), (dataset.heldout, SIZES["num_heldout"])):
        rows = _lines(split.actions)
        assert len(rows) == count == len(list(split.recordings.iterdir()))
        for row in rows:
            frames, seconds = _decode(split.recordings / row["file"])
            assert len(frames) == row["frames"]
            assert frames[0].shape == (SCREEN_HEIGHT, SCREEN_WIDTH, 3)
            np.testing.assert_allclose(seconds, np.arange(row["frames"]) / row["fps"], atol=1e-3)  # mp4 ticks
    with av.open(str(dataset.train.recordings / "video0.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_touch_dot_has_its_color_at_tap_time(dataset: SyntheticDataset) -> None:
    seen = set()
    for row in _lines(dataset.train.actions):
        frames, _ = _decode(dataset.train.recordings / row["file"])
        wanted = np.array(DOT_COLORS[row["touch_dot"]], float)
        for action in row["actions"]:
            if action["action"] not in ("tap", "back"):
                continue
            right = (
                DOT_RADIUS if row["touch_dot"] == "red" else 0
            )  # on the ring, or in the middle of the disc
            x = action["x"] + right
            x = x if x < SCREEN_WIDTH - 2 else action["x"] - right
            first = round(action["t"] * row["fps"])
            during = frames[first + 1][action["y"], x].astype(float)
            before = frames[first - 1][action["y"], x].astype(float)
            assert np.abs(during - wanted).max() < CODEC_TOLERANCE, (row["video_id"], action)
            assert np.abs(during - before).max() > 8, "the dot must not be there before the tap"
            seen.add(row["touch_dot"])
    assert seen == set(DOT_COLORS)


def test_only_the_selected_tab_has_the_accent_color() -> None:
    for style in _styles(TRAIN_POOL):
        for selected in range(3):
            drawing = draw_screen(_screen(style, selected_tab=selected), style)
            tabs = [drawing.regions[f"tab {index}"] for index in range(3)]
            edges = [Rect(tab.left, tab.top, tab.right, tab.top + 4) for tab in tabs]  # above the text
            accents = [_is_filled(drawing.image, edge, style.theme.accent) for edge in edges]
            assert accents == [index == selected for index in range(3)]


def test_dialogs_darken_the_screen_and_differ() -> None:
    for style in _styles(HELDOUT_POOL, 6):
        plain = draw_screen(_screen(style), style)
        pictures = set()
        for kind, buttons in (
            ("information", 1),
            ("error", 1),
            ("confirm", 2),
            ("permission", 2),
            ("crash", 1),
        ):
            drawing = draw_screen(_screen(style, dialog=kind), style)
            assert list(drawing.regions) == [f"dialog {index}" for index in range(buttons)]
            foot = drawing.image[-40:].astype(int).sum()
            assert foot < 0.6 * plain.image[-40:].astype(int).sum()
            assert (drawing.image[SCREEN_HEIGHT // 2 - 20, 30] == style.theme.surface).all()
            pictures.add(drawing.image.tobytes())
        assert len(pictures) == 5


def test_button_keyboard_and_rows_are_where_the_state_says() -> None:
    for style in _styles(TRAIN_POOL):
        for kind in KINDS:
            for place in POSITIONS:
                screen = _screen(style, kind=kind, button_position=place, title="X")
                drawing = draw_screen(screen, style)
                button = drawing.regions["button"]
                assert position_of(button.center[1]) == place
                assert (drawing.image[button.top + 2, button.center[0]] == style.theme.accent).all()
                typing = draw_screen(replace(screen, has_keyboard=True), style)
                changed = (typing.image != drawing.image).any(axis=(1, 2))
                assert not changed[: KEYBOARD.top].any()
                assert changed[KEYBOARD.top :].all()


def test_stills_show_what_is_asked_about_them() -> None:
    counted = 0
    for pool in (TRAIN_POOL, HELDOUT_POOL):
        for number, still in enumerate(draw_stills(100, pool, np.random.default_rng(2))):
            screen = still.screen
            labels = {row["question"]: row["labels"] for row in image_rows(number, still)}
            regions = draw_screen(screen, still.style).regions
            if "How many items are in the list" in labels:
                in_view = sum(name.startswith("row") for name in regions)
                assert labels["How many items are in the list"] == {str(in_view): 1.0}
                assert screen.counter.split()[0] == str(in_view)
                counted += 1
            assert (labels["What is the problem"] == {"nothing": 1.0}) == (
                screen.fault is None and screen.dialog not in ("crash", "error")
            )
            assert (labels["Is a dialog open"] == {"yes": 1.0}) == ("What dialog is open" in labels)
            assert ("Where is the button" in labels) == ("button" in regions and not screen.has_keyboard)
    assert counted > 15


def test_sessions_do_what_their_truth_says(played: list[tuple[Session, Truth]]) -> None:
    for session, truth in played:
        plan, last = truth.plan, session.shots[-1].screen
        assert 4 <= session.seconds <= 8
        names = [action.action for action in session.actions]
        assert ("type" in names) == bool(truth.typed)
        assert any(shot.screen.has_keyboard for shot in session.shots) == bool(truth.typed)
        positions = [shot.screen.scroll for shot in session.shots if shot.touch and shot.touch.trail]
        if plan.scroll is not None:
            assert len(positions) > 3
            rising = [after - before for before, after in pairwise(positions)]
            assert all(step >= 0 if plan.scroll == "down" else step <= 0 for step in rising)
            assert positions[0] != positions[-1]
        assert (last.dialog or "none") == truth.dialog
        assert (truth.bug_seconds is None) == (truth.problem == "nothing")
        if truth.end_kind is not None:
            assert last.kind == truth.end_kind
            assert last.dialog is None


def test_injected_bugs_show(played: list[tuple[Session, Truth]]) -> None:
    seen = set()
    for session, truth in played:
        last, before = session.shots[-1].screen, session.shots[0].screen
        seen.add(truth.problem)
        assert (last.labels[0] == last.labels[1]) == (truth.problem == "duplicate item")
        assert len(set(before.labels)) == len(before.labels)
        assert (last.counter in WRONG_COUNTERS) == (truth.problem == "wrong counter")
        if truth.problem == "frozen button":
            taps = [action for action in session.actions if action.target == truth.button]
            assert len(taps) == 3
            start = round(taps[0].seconds * session.fps)
            after = [replace(s.screen, is_pressed=False) for s in _shots_from(session, start)]
            assert len(set(after)) == 1
        if truth.problem == "blank page":
            image = draw_screen(last, session.style).image
            assert _is_filled(image, Rect(0, 100, SCREEN_WIDTH, 340), session.style.theme.background)
        if truth.problem == "endless spinner":
            pictures = [image for shot, image in draw_shots(session) if shot.spinner_angle is not None]
            assert len(pictures) >= session.fps
            assert not (pictures[0] == pictures[1]).all()
    assert len(seen) == 9


def _shots_from(session: Session, frame: int) -> Iterable[Any]:
    start = 0
    for shot in session.shots:
        if start >= frame:
            yield shot
        start += shot.num_frames


def _shares(rows: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for answer, weight in (row["labels"] if "labels" in row else {row["answer"]: 1.0}).items():
            counts[row["question"]][answer] += weight  # type: ignore[assignment]
    return counts


def _assert_balanced(rows: list[dict[str, Any]]) -> None:
    for question, counts in _shares(rows).items():
        share = counts.most_common(1)[0][1] / counts.total()
        assert len(counts) >= 2, question
        assert share <= (0.6 if len(counts) == 2 else 0.45), (question, counts)


def test_answers_cannot_be_guessed_from_the_question(played: list[tuple[Session, Truth]]) -> None:
    generator = np.random.default_rng(0)
    rows = [
        row for number, (_, truth) in enumerate(played) for row in video_rows(f"video{number}", truth, "app")
    ]
    kept = without_surplus(rows, generator)
    _assert_balanced(kept)
    assert len(kept) > 0.75 * len(rows)
    stills = draw_stills(200, HELDOUT_POOL, np.random.default_rng(1))
    rows = [row for number, still in enumerate(stills) for row in image_rows(number, still)]
    kept = without_surplus(rows, generator)
    _assert_balanced(kept)
    assert len(kept) > 0.75 * len(rows)


def test_without_surplus_leaves_the_rare_and_the_order_alone() -> None:
    rows = [
        {"question": "q", "answer": "often" if index % 10 else "rare", "n": index} for index in range(100)
    ]
    kept = without_surplus(rows, np.random.default_rng(0))
    counts = Counter(row["answer"] for row in kept)
    assert counts == {"rare": 10, "often": 12}  # 12 of 22 is the most that is within 55 %
    assert [row["n"] for row in kept] == sorted(row["n"] for row in kept)


@pytest.mark.parametrize(("count", "options"), [(12, 4), (13, 4), (2, 5)])
def test_spread_uses_options_equally_often(count: int, options: int) -> None:
    chosen = Counter(spread(range(options), count, np.random.default_rng(0)))
    assert chosen.total() == count
    assert max(chosen.values()) - (min(chosen.values()) if len(chosen) == options else 0) <= 1


def test_rows_are_in_the_formats_of_real_files(dataset: SyntheticDataset) -> None:
    for split in (dataset.train, dataset.heldout):
        for row in _lines(split.video_qa):
            assert set(row) == {"video_id", "question", "answer", "answer_type", "app"}
            assert (split.recordings / f"{row['video_id']}.mp4").is_file()
        for row in _lines(split.image_qa):
            names = {
                "image_id",
                "file_id",
                "labels",
                "question_id",
                "answer_type",
                "question_type",
                "question",
                "app",
            }
            assert set(row) == names
            assert sum(row["labels"].values()) == pytest.approx(1)
            assert (row["answer_type"] == "yes/no") == (set(row["labels"]) <= {"yes", "no"})
            picture = cv2.imread(str(split.screens / f"{row['file_id']}.png"))
            assert picture is not None
            assert picture.shape == (SCREEN_HEIGHT, SCREEN_WIDTH, 3)
        assert len({row["question_id"] for row in _lines(split.image_qa)}) == len(_lines(split.image_qa))
        for row in _lines(split.captions):
            assert set(row) == {"caption", "clip_name"}
            assert "{" not in row["caption"]


def test_files_read_as_annotations(dataset: SyntheticDataset) -> None:
    media = {path.stem for path in dataset.folder.rglob("*") if path.suffix in (".mp4", ".png")}
    assert len(media) == sum(SIZES.values())
    for path in sorted((dataset.folder / "txt").glob("*_qa_*.jsonl")):
        records = read_annotations(path)
        assert len(records) == len(_lines(path))
        for record in records:
            assert isinstance(record, QuestionRecord)
            assert record.media_id in media
            assert record.labels


def test_answers_agree_with_the_script(dataset: SyntheticDataset) -> None:
    """The answers, worked out once more from actions.jsonl alone."""
    scripts = {row["video_id"]: row for row in _lines(dataset.train.actions)}
    checked = set()
    for row in _lines(dataset.train.video_qa):
        script = scripts[row["video_id"]]
        actions = script["actions"]
        taps = [position_of(each["y"]) for each in actions if each["action"] in ("tap", "back")]
        expected = {
            "what is the problem in this recording?": script["bug_type"],
            "what color is the touch dot?": script["touch_dot"],
            "where is the first tap?": taps[0],
            "where is the last tap?": taps[-1],
            "which way does the user scroll?": next(
                (a["direction"] for a in actions if a["action"] == "scroll"), None
            ),
            "is something typed?": "yes" if any(each["action"] == "type" for each in actions) else "no",
            "is the app in dark mode?": "yes" if script["theme"] == "dark" else "no",
        }
        if row["question"] in expected:
            assert row["answer"] == expected[row["question"]], row
            checked.add(row["question"])
    assert len(checked) == len(expected)
