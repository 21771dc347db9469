"""The page holds everything, escapes everything, and needs nothing else."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from clipbug.report.contents import Curve, DataFinding, Group
from clipbug.report.page import render_page
from tests.helpers.report_contents import card, contents, strip

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=1">',
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(1)' style='x",
    "\u202egnp.exe \ud800 \x00",
)


class Elements(HTMLParser):
    """All start tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_data_becomes_markup(text: str) -> None:
    harmless = Elements(render_page(_everywhere("plain")))
    hostile = Elements(render_page(_everywhere(text)))
    assert [name for name, _ in hostile.tags] == [name for name, _ in harmless.tags]
    # what hides behind a quotation mark would be a new attribute
    assert [set(found) for _, found in hostile.tags] == [set(found) for _, found in harmless.tags]
    shown = text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    assert shown in hostile.text.replace("\x00", "\ufffd")


def _everywhere(text: str) -> object:
    """A report that has the text wherever a user's data can go."""
    one = card(0, question=text, answer=text, media_id=text, app=text, answer_type=text)
    one = replace(one, top=((text, 0.7),), labels={text: 1.0}, votes=(replace(one.votes[0], answer=text),))
    return contents(
        one,
        replace(one, score=0.0),
        title=text,
        facts={text: text},
        groups={text: [Group(text, 0.1, 1, 0.0, 1.0)]},
        curves=[Curve(text, ((0, 1.0), (1, 2.0)))],
        filmstrips={text: strip()},
        findings=[DataFinding(text, text, text)],
        commands=[text],
        files={text: text},
        notes=[text],
    )


def test_it_loads_nothing_and_allows_its_own_script_only() -> None:
    page = render_page(contents(card()))
    elements = Elements(page)
    assert list(elements.named("link")) == []
    addresses = [found[key] for _, found in elements.tags for key in ("src", "href") if key in found]
    assert all(address and address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(rb"url\((?!data:)", page)
    [policy] = [found["content"] for found in elements.named("meta") if "http-equiv" in found]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "sha256-" in policy


def test_every_question_is_there_without_a_script() -> None:
    cards = [card(number) for number in range(30)]
    elements = Elements(render_page(contents(*cards)))
    assert len(elements.named("article")) == 30
    assert all("hidden" not in found for found in elements.named("article"))
    for one in cards:
        assert one.question in elements.text
    [tools] = list(elements.named("form"))
    assert "hidden" in tools, "filters do nothing without a script, so only the script shows them"


def test_the_worst_come_first() -> None:
    right = {"answer": "no", "score": 1.0}
    cards = [
        card(1, **right, probability=0.9),
        card(2, **right, probability=0.3),
        card(3, probability=0.4),
        card(4, probability=0.99),
        card(5, labels={}, score=None),
        card(6, labels={"no": 1.0, "yes": 0.3}, score=0.3),
    ]
    text = Elements(render_page(contents(*cards))).text
    places = [text.index(f"is it blue? ({number})") for number in (4, 3, 6, 2, 1, 5)]
    assert places == sorted(places)


def test_pictures_and_controls_have_names() -> None:
    elements = Elements(render_page(contents(card(), card(1, evidence="data:image/png;base64,AA"))))
    assert all(found.get("aria-label") for found in elements.named("svg"))
    assert all(found.get("alt") for found in elements.named("img"))
    lists = [found for found in elements.named("ol") if "strip" in (found.get("class") or "")]
    assert "frames at 0.0, 0.5, 1.0, 1.5 seconds" in (lists[0]["aria-label"] or "")
    [language] = [found["lang"] for found in elements.named("html")]
    assert language == "en"
    assert len(elements.named("label")) == len(elements.named("input")) + len(elements.named("select"))


def test_recordings_are_held_once() -> None:
    cards = [card(number) for number in range(100)]
    page = render_page(contents(*cards))
    assert page.count(b"data:image/jpeg") == 5


def test_a_report_without_answers_or_run() -> None:
    one = card(labels={}, score=None)
    bare = contents(one, scores=None, groups={}, curves=[], filmstrips={}, findings=[], files={})
    elements = Elements(render_page(bare))
    assert "is it blue?" in elements.text
    assert elements.named("svg") == []
