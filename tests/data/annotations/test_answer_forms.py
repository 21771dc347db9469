"""What becomes of free-form answers."""

from typing import Any

import pytest

from clipbug.data.annotations.answer_forms import in_form


@pytest.mark.parametrize(
    ("answer", "short", "first_token"),
    [
        ('Click on the "proxy" item.', "click proxy item", "click"),
        ("click on the proxy item after scrolling", "click proxy item after", "after"),
        ("3:45", "3:45", "45"),
        ("top right corner.", "top right corner", "corner"),
        ("the", "the", "the"),
        ("A", "a", "A"),
        ("...", "...", "..."),
        ("two", "two", "two"),
    ],
)
def test_forms(answer: str, short: str, first_token: str) -> None:
    assert in_form(answer, "full") == answer
    assert in_form(answer, "short") == short
    assert in_form(answer, "first-token") == first_token


@pytest.mark.parametrize("form", ["short", "first-token"])
def test_a_form_of_a_form_is_itself(form: Any) -> None:
    for answer in ('after clicking the "liabilities" card', "It is 12:30 PM!", "x"):
        assert in_form(in_form(answer, form), form) == in_form(answer, form)
