"""`clipbug serve` in a real browser, and what it says where it cannot serve."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

import clipbug
from clipbug.config import RunConfig
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.errors import ClipbugError
from clipbug.inference.model_fit import ModelChoice
from clipbug.inference.web_page import PageModels, _handlers, import_gradio
from clipbug.recipes.serve import _is_own_machine
from clipbug.workspace.storage import Storage
from tests.helpers.browser import open_browser
from tests.helpers.video_factory import make_video
from tests.inference.test_loaded_model import save_model

QUESTION = "what is tapped first?"


def test_without_gradio_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE", "DO_NOT_TRACK", "GRADIO_TEMP_DIR"):
        monkeypatch.setenv(name, "")  # so that what the call sets is undone
    with pytest.raises(ClipbugError, match="needs gradio") as error:
        import_gradio(tmp_path)
    assert "clipbug[serve]" in error.value.hint
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("box.lan", False)],
)
def test_who_can_reach_it(host: str, own: bool) -> None:
    assert _is_own_machine(host) == own


@pytest.fixture
def folder(tmp_path: Path, tiny_config: RunConfig, tiny_tokenizer: PreTrainedTokenizerBase) -> Path:
    save_model(
        tmp_path / "model", tiny_config, tiny_tokenizer, AnswerVocabulary(("save", "cancel", "delete"))
    )
    make_video(tmp_path / "recording.mp4", num_frames=40)
    (tmp_path / "notes.mp4").write_text("not a recording")
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "large.png"), noise)  # 1.5 MB
    return tmp_path


class _Gradio:
    """What the page's handlers use of the library."""

    Error = ValueError


def test_an_upload_is_asked_of_the_model_for_its_kind(folder: Path) -> None:
    model = clipbug.load(folder / "model")
    models = PageModels(ModelChoice(Storage(folder), folder / "model"), {"video": model})
    look, say = _handlers(_Gradio, models, None, True)
    visual, _ = look(str(folder / "recording.mp4"))
    assert "<article" in say(visual, QUESTION, False).replace("&lt;", "<")
    with pytest.raises(ValueError, match=r"large\.png is a picture"):
        look(str(folder / "large.png"))
    with pytest.raises(ValueError, match="not a video, GIF or image"):
        look(str(folder / "notes.mp4"))


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """Of a server that runs during the test, accepts 1 MB and keeps nothing."""
    pytest.importorskip("gradio", reason='gradio is not installed: pip install "clipbug[serve]"')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ("serve", "--model", str(folder / "model"), "--port", str(port), "--max-megabytes", "1")
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-m", "clipbug", *words], stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            assert server.stderr is not None
            lines = iter(server.stderr.readline, "")
            line = next(line for line in lines if "open http" in line)
            yield line.split()[1]
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)
    assert server.returncode == 0
    assert list(folder.glob("clipbug-serve-*")) == [], "uploads are gone with the server"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    with open_browser(tmp_path / "profile") as opened:
        opened.implicitly_wait(30)
        yield opened


def upload(browser: Any, file: Path) -> None:
    browser.find_element("css selector", "#file input[type=file]").send_keys(str(file))


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_drop_ask_and_see(address: str, browser: Any, folder: Path) -> None:
    browser.get(address)
    upload(browser, folder / "recording.mp4")
    browser.find_element("css selector", "#answer img")
    [uploads] = folder.glob("clipbug-serve-*")
    assert [path for path in files_under(uploads) if path.suffix == ".mp4"] == []
    browser.find_element("css selector", "#question textarea, #question input").send_keys(QUESTION)
    browser.find_element("css selector", "#ask").click()
    browser.switch_to.frame(browser.find_element("css selector", "#answer iframe"))
    [expected] = clipbug.load(folder / "model").answer(folder / "recording.mp4", [QUESTION])
    given = browser.find_element("css selector", ".given").text
    assert given == f"answer {expected.answer} {100 * expected.probability:.0f} %"
    assert len(browser.find_elements("css selector", ".strip .v")) == len(expected.clips)
    assert browser.find_element("css selector", ".evidence img").is_displayed()
    browser.switch_to.default_content()
    names = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith((address, "data:")) for name in names), "nothing comes from elsewhere"
    for name, says in (("notes.mp4", "text file"), ("large.png", "maximum allowed")):
        browser.get(address)
        upload(browser, folder / name)
        wait_for_text(browser, says)


def wait_for_text(browser: Any, text: str) -> None:
    end = time.monotonic() + 30
    while text not in browser.find_element("tag name", "body").text:
        assert time.monotonic() < end, browser.find_element("tag name", "body").text
        time.sleep(0.2)
