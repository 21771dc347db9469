"""JSON is read with limits: a value is kept as it is written, or named."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipbug.errors import ClipbugError
from clipbug.runtime.json_reading import MAX_DEPTH, JsonError, loads, read_json, read_note

UNUSABLE = [
    ("1e999", "too large"),
    ("-1e400", "too large"),
    ("NaN", "is not valid JSON"),
    ("-Infinity", "is not valid JSON"),
    ("9" * 301, "a number of 301 digits"),
    ("[" * 200 + "]" * 200, "nested more than"),
    ("[" * 100_000 + "]" * 100_000, "nested more than"),
    ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested more than"),
    (r'"which \ud83d?"', r"half of a character"),
    (r'"\ude00\ud83d"', "half of a character"),
    (r'{"\ud83d": 1}', "half of a character"),
    ('{"a": 1, "b": 2, "a": 1}', "key 'a' occurs more than once"),
]


@pytest.mark.parametrize("around", ["%s", "[1, %s]", '{"x": {"y": [%s]}}'])
@pytest.mark.parametrize(("text", "expected"), UNUSABLE, ids=[expected for _, expected in UNUSABLE])
def test_what_cannot_be_kept_is_named_wherever_it_is(text: str, expected: str, around: str) -> None:
    with pytest.raises(JsonError, match=expected) as caught:
        loads(around % text)
    str(caught.value).encode()  # a message that can be written


@pytest.mark.parametrize(
    "value",
    [
        {"emoji": "\U0001f600", "list": [1, 2.5, None, True, -0.0, 10**299, 1.7e308]},
        "日本\u2028x\0",
        [[]] * 3,
    ],
)
def test_all_else_is_as_the_standard_library_reads_it(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            assert loads(text.encode(encoding)) == value


def test_the_deepest_value_that_is_read() -> None:
    depth = MAX_DEPTH
    assert json.dumps(loads("[" * depth + "]" * depth)) == "[" * depth + "]" * depth
    with pytest.raises(JsonError, match=f"more than {depth} levels"):
        loads("[" * (depth + 1) + "]" * (depth + 1))


def test_the_field_is_named() -> None:
    with pytest.raises(JsonError, match=r"field 'labels\.red\[1\]': number 1e999"):
        loads('{"labels": {"red": [0, 1e999]}}')


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "invalid JSON: Expecting value at line 1, column 1"),
        (b'{"a": 1}\n {"b"', "extra data after the value at line 2, column 2"),
        (b'{"a": \xe9}', "invalid UTF-8 at byte 7"),
        (b'{"a": "caf\xe9"}', r"invalid UTF-8 at byte 11 \(0xE9\)"),
        (b"\xff\xfe{", "damaged utf-16"),
    ],
)
def test_damaged_texts(data: bytes, expected: str) -> None:
    with pytest.raises(JsonError, match=expected):
        loads(data)


def test_notes_of_our_own(tmp_path: Path) -> None:
    path = tmp_path / "inference.json"
    assert read_note(path) == {}
    path.write_text('{"step": 1}')
    assert read_note(path) == read_json(path) == {"step": 1}
    for damage in ('{"step": ', "[1]", '{"step": NaN}'):
        path.write_text(damage)
        with pytest.raises(ClipbugError, match=r"inference\.json"):
            read_note(path)
