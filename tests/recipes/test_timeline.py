"""`clipbug timeline` on files: formats, bad files, the cache, processes."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import cv2
import pytest

from clipbug.errors import ClipbugError, DecodeError
from clipbug.perception.timeline import READER_VERSION, Event, Timeline
from clipbug.recipes import timeline as recipe
from clipbug.recipes.timeline import FileReader, make_timelines
from clipbug.recipes.timeline_cache import TimelineCache
from clipbug.report.timeline_markdown import code_span, escaped, steps_markdown
from clipbug.report.timeline_page import StepPictures, render_timelines
from tests.perception.recordings import FakeEngine, hold, screen, slide, write_video


@dataclass
class Fast(FileReader):
    """Without models."""

    engine: FakeEngine = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.engine = FakeEngine()


@pytest.fixture(autouse=True)
def no_models(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "slow" not in request.keywords:
        monkeypatch.setattr(recipe, "FileReader", Fast)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    home, away = screen("Home", ["Settings"]), screen("Settings", ["Account"])
    return write_video(tmp_path / "app.mp4", [*hold(home, 1.0), *slide(home, away), *hold(away, 1.0)])


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "screen.png"
    assert cv2.imwrite(str(path), screen("Home", ["Settings"])[..., ::-1])
    return path


def test_bad_files_are_named_and_the_others_are_read(recording: Path, picture: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(recording.read_bytes()[:900])
    empty = tmp_path / "empty.mp4"
    empty.touch()
    files = [recording, cut, empty, picture, tmp_path / "missing.mp4"]
    report = make_timelines(files, storage=tmp_path / "storage", num_workers=1)
    assert [timeline.media_id for timeline in report.timelines] == ["app", "screen"]
    assert [row["file"] for row in report.bad] == [str(file) for file in (cut, empty, files[-1])]
    assert all(row["message"] and row["hint"] for row in report.bad)
    app, still = report.timelines
    assert (app.width, app.height) == (360, 640)
    assert app.duration_seconds == pytest.approx(2.4)
    assert still.duration_seconds == 0.0
    assert len(still.screens) == 1


def test_no_readable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a recording")
    with pytest.raises(DecodeError, match="text file"):
        make_timelines([tmp_path / "notes.mp4"], storage=tmp_path, num_workers=1)


def test_timelines_are_kept_by_content(recording: Path, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    first = make_timelines([recording], storage=storage).timelines[0]
    (kept,) = (storage / "cache" / "timelines").iterdir()
    assert kept.name.endswith(f".v{READER_VERSION}.json")
    row = json.loads(kept.read_text())
    kept.write_text(json.dumps({**row, "indicator_color": "from the cache"}))
    other = recording.rename(tmp_path / "renamed.mp4")
    again = make_timelines([other], storage=storage).timelines[0]
    assert (again.indicator_color, again.media_id, again.file) == ("from the cache", "renamed", str(other))
    fresh = make_timelines([other], storage=storage, use_cache=False).timelines[0]
    assert fresh.indicator_color == first.indicator_color is None
    kept.write_text("{")
    assert make_timelines([other], storage=storage).timelines[0].indicator_color is None


def test_the_cache_is_bounded(tmp_path: Path) -> None:
    timeline = _timeline()
    size = len(json.dumps(timeline.to_json(), ensure_ascii=False))
    cache = TimelineCache(tmp_path, max_bytes=3 * size + 10)
    for number in range(6):
        cache.put(f"{number}", timeline)
    assert [cache.get(f"{number}") is not None for number in range(6)] == [False] * 3 + [True] * 3


@pytest.mark.slow
def test_markdown_with_pictures(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    report = make_timelines([recording], storage=tmp_path, format="markdown", output=folder)
    text = (folder / "steps.md").read_text()
    assert text.startswith("## Steps to reproduce\n")
    events = report.timelines[0].events
    assert len(list(folder.glob("*.jpg"))) == len(events) > 0
    assert "](<1-app-step-1.jpg>)" in text


@pytest.mark.parametrize("format", ["html", "json", "markdown"])
def test_one_file_of_output(format: recipe.Format, recording: Path, picture: Path, tmp_path: Path) -> None:
    output = tmp_path / f"out.{'md' if format == 'markdown' else format}"
    report = make_timelines(
        [recording, picture], storage=tmp_path, format=format, output=output, num_workers=1
    )
    assert report.written == (output,)
    text = output.read_text()
    assert "app" in text
    if format == "json":
        assert len(json.loads(text)["timelines"]) == 2


def test_a_table_is_not_written(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipbugError, match="printed"):
        make_timelines([recording], storage=tmp_path, output=tmp_path / "x.txt")


def _timeline(target: str = "Save", text: str = "", file: str = "a.mp4") -> Timeline:
    tap = Event(
        time_seconds=1.0, end_seconds=1.1, kind="tap", x=10.0, y=20.0, target=target, target_kind="text"
    )
    typed = Event(time_seconds=2.0, end_seconds=3.0, kind="type", text=text or "walk dog", target="New todo")
    return Timeline(
        media_id="a",
        file=file,
        duration_seconds=4.0,
        width=360,
        height=640,
        content_box=(0.0, 0.0, 360.0, 640.0),
        events=(tap, typed, Event(time_seconds=3.5, end_seconds=3.6, kind="scroll", direction="down")),
    )


def test_steps_in_words() -> None:
    text = steps_markdown([_timeline()])
    assert (
        "1. Tap **Save** (0:01)\n2. Type `walk dog` into **New todo** (0:02)\n3. Scroll down (0:03)\n" in text
    )


def test_markdown_of_hostile_text_stays_text() -> None:
    assert escaped("*a* <b> [c](d)\n# e") == "\\*a\\* \\<b\\> \\[c\\](d) \\# e"
    assert code_span("a `b` ``c``") == "``` a `b` ``c`` ```"
    assert "\n# Heading" not in steps_markdown([_timeline(target="x\n# Heading")])


def test_html_of_hostile_text_stays_text() -> None:
    timeline = _timeline(target="<script>alert(1)</script>", file='"><img src=x onerror=1>.mp4')
    page = render_timelines([(timeline, StepPictures((), (), ("data:,", "data:,", "data:,")))])
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "default-src 'none'" in unescape(page)


@pytest.mark.slow
def test_processes_give_what_one_gives(recording: Path, picture: Path, tmp_path: Path) -> None:
    files: Sequence[Path] = [recording, picture, tmp_path / "missing.mp4"]
    one = make_timelines(files, storage=tmp_path, num_workers=1, use_cache=False)
    two = make_timelines(files, storage=tmp_path, num_workers=2, use_cache=False)
    assert one == two
    assert [screen.title for screen in one.timelines[0].screens] == ["Home", "Settings"]
    assert len(one.bad) == 1


@pytest.mark.slow
def test_torch_is_not_imported(picture: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from clipbug.cli.main import main\n"
        f"try: main(['timeline', {str(picture)!r}, '--json', '--storage', {str(tmp_path)!r}])\n"
        "except SystemExit as leaving: assert leaving.code == 0, leaving.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["timelines"][0]["screens"][0]["title"] == "Home"
