"""The page in a real browser: filters, search, sizes, light and dark; nothing is loaded or refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from clipbug.report.page import render_page
from tests.helpers.browser import complaints, open_browser
from tests.helpers.report_contents import card, contents
from tests.report.test_page import HOSTILE, _everywhere

pytestmark = pytest.mark.slow
MANY = 5_000


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def show(browser: Any, folder: Path, page: bytes) -> None:
    path = folder / "report.html"
    path.write_bytes(page)
    browser.get(path.as_uri())


def shown(browser: Any) -> list[str]:
    """Questions of the cards that are not hidden."""
    script = "return [...document.querySelectorAll('.q:not([hidden]) h3')].map(e => e.textContent)"
    found: list[str] = browser.execute_script(script)
    return found


def wait_for_count(browser: Any, text: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 10).until(lambda b: b.find_element("id", "count").text == text)


def choose(browser: Any, control: str, label: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element("id", control)).select_by_visible_text(label)


def test_filter_and_search(browser: Any, tmp_path: Path) -> None:
    cards = [
        card(1, question="what is tapped first?", app="mosaic"),
        card(2, question="what is tapped last?", app="harbor", score=1.0, answer="no", probability=0.2),
        card(3, question="is it dark?", app="harbor", answer_type="is"),
    ]
    show(browser, tmp_path, render_page(contents(*cards)))
    assert browser.find_element("id", "tools").is_displayed()
    assert len(shown(browser)) == 3
    choose(browser, "verdict", "wrong (2)")
    wait_for_count(browser, "2 of 3 questions")
    assert set(shown(browser)) == {"what is tapped first?", "is it dark?"}
    choose(browser, "app", "harbor")
    wait_for_count(browser, "1 of 3 questions")
    choose(browser, "verdict", "all")
    choose(browser, "app", "all")
    wait_for_count(browser, "3 questions")
    browser.find_element("id", "search").send_keys("LAST tapped")
    wait_for_count(browser, "1 of 3 questions")
    assert shown(browser) == ["what is tapped last?"]
    browser.find_element("id", "search").clear()
    wait_for_count(browser, "3 questions")
    browser.execute_script(
        "const r = document.getElementById('sure'); r.value = 50; r.dispatchEvent(new Event('input'))"
    )
    wait_for_count(browser, "1 of 3 questions")
    assert complaints(browser) == []


def test_frames_are_drawn_and_grow(browser: Any, tmp_path: Path) -> None:
    show(browser, tmp_path, render_page(contents(card())))
    clip = browser.find_element("css selector", ".v")
    browser.execute_script("arguments[0].scrollIntoView()", clip)
    small = picture_of(clip)
    # noise of 0 to 255 in the frame; the empty track would have one colour
    assert small[:100].std() > 20
    width = clip.size["width"]
    browser.execute_script(
        "const r = document.getElementById('size'); r.value = 320; r.dispatchEvent(new Event('input'))"
    )
    assert browser.find_element("css selector", ".v").size["width"] > 1.5 * width


def picture_of(element: Any) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(element.screenshot_as_png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return picture


def test_light_and_dark(browser: Any, tmp_path: Path) -> None:
    levels = {}
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        show(browser, tmp_path, render_page(contents(card())))
        levels[scheme] = float(picture_of(browser.find_element("tag name", "body")).mean())
    assert levels["light"] > 200
    assert levels["dark"] < 60


def test_hostile_text_does_nothing(browser: Any, tmp_path: Path) -> None:
    for text in HOSTILE:
        show(browser, tmp_path, render_page(_everywhere(text)))  # type: ignore[arg-type]
        assert "owned" not in browser.title.replace(text, "")
        assert browser.execute_script("return document.querySelectorAll('main img, main script').length") == 0
        assert browser.find_element("css selector", ".q").is_displayed()
        assert complaints(browser) == []


def test_the_network_is_forbidden(browser: Any, tmp_path: Path) -> None:
    show(browser, tmp_path, render_page(contents(card())))
    browser.execute_script("const i = new Image(); i.src = 'http://127.0.0.1:9/x'; document.body.append(i)")
    assert any("Content Security Policy" in line for line in complaints(browser))


def test_five_thousand_questions_can_be_filtered(browser: Any, tmp_path: Path) -> None:
    cards = [card(number, score=float(number % 4 == 0)) for number in range(MANY)]
    show(browser, tmp_path, render_page(contents(*cards)))
    assert len(shown(browser)) == MANY
    browser.find_element("id", "search").send_keys("(4321)")
    wait_for_count(browser, f"1 of {MANY} questions")
    assert shown(browser) == ["is it blue? (4321)"]
    browser.find_element("id", "search").clear()
    choose(browser, "verdict", f"right ({MANY // 4})")
    wait_for_count(browser, f"{MANY // 4} of {MANY} questions")


def test_printing_shows_every_question(browser: Any, tmp_path: Path) -> None:
    import base64

    show(browser, tmp_path, render_page(contents(*(card(number) for number in range(40)))))
    pages = base64.b64decode(browser.print_page()).count(b"/Type /Page\n")
    # 40 cards of at least 4 cm each need more than 5 sheets of 29.7 cm
    assert pages > 5
