"""YAML is read as version 1.2, refuses what a config cannot mean, and knows the line of every value."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipbug.config.yaml_text import Document, dump_values, parse_value, read_document
from clipbug.errors import ConfigError

# From the core schema, https://yaml.org/spec/1.2.2/#103-core-schema (octal and hexadecimal left out).
SCALARS: list[tuple[str, Any]] = [
    ("5e-5", 5e-5),
    ("1e3", 1000.0),
    ("-1.5E+2", -150.0),
    (".5", 0.5),
    ("3.", 3.0),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("12", 12),
    ("+3", 3),
    ("010", 10),
    ("true", True),
    ("FALSE", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("Off", "Off"),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("2024-01-02", "2024-01-02"),
    ("0x1F", "0x1F"),
    ("1.2.3", "1.2.3"),
    ("e5", "e5"),
    ("'5e-5'", "5e-5"),
    ('"true"', "true"),
    ("<<", "<<"),
    ("[a, 1e-3, yes]", ["a", 1e-3, "yes"]),
    ("{name: random}", {"name": "random"}),
    ("{on: 1, 2: x}", {"on": 1, "2": "x"}),
]


@pytest.mark.parametrize(("text", "value"), SCALARS, ids=[text or "empty" for text, _ in SCALARS])
def test_values(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(parse_value(".nan"))


TEXTS = [text for text, _ in SCALARS] + [
    "a: b",
    "# no comment",
    "x\ny",
    "ü",
    "1.0e-05",
    "-",
    "[a",
    "1e5",
    " a ",
]


def test_what_is_dumped_is_read_back(tmp_path: Path) -> None:
    numbers = [0, -1, 5e-5, 1e-6, 0.1, 1e22, 123456789.5, math.inf, True, False, None]
    values = {
        "texts": TEXTS,
        "numbers": numbers,
        "group": {"inner": {"x": 1e-7}, "empty": {}},
        "no": "yes",
        "5": "x",
    }
    path = tmp_path / "a.yaml"
    path.write_text(dump_values(values), encoding="utf-8")
    assert _read(path).values == values
    # A reader of YAML 1.1 (PyYAML itself) must at least see the same texts as texts.
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["texts"] == TEXTS


def _read(path: Path) -> Document:
    return read_document(path, shown_as="a.yaml")


def _document(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return _read(path)


def test_every_path_has_its_line(tmp_path: Path) -> None:
    document = _document(tmp_path, "# head\na: 1\nb:\n  c:\n  - x\n  - y\n  d: {e: 2}\n")
    lines = {path: origin.removeprefix("a.yaml:") for path, origin in document.origins.items()}
    assert lines == {"a": "2", "b": "3", "b.c": "4", "b.c.0": "5", "b.c.1": "6", "b.d": "7", "b.d.e": "7"}
    assert document.values == {"a": 1, "b": {"c": ["x", "y"], "d": {"e": 2}}}


def test_an_empty_file_has_no_values(tmp_path: Path) -> None:
    assert _document(tmp_path, "# nothing\n").values == {}


def test_anchors_work(tmp_path: Path) -> None:
    assert _document(tmp_path, "a: &x {b: 1}\nc: *x\n").values == {"a": {"b": 1}, "c": {"b": 1}}


def test_all_keys_that_stand_twice_are_named(tmp_path: Path) -> None:
    document = _document(tmp_path, "a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert [(problem.path, problem.origin, problem.reason) for problem in document.problems] == [
        ("b.c", "a.yaml:4", "is repeated, first on line 3"),
        ("a", "a.yaml:5", "is repeated, first on line 1"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1\nb: 2\n", ["a.yaml:2", "not valid YAML"]),
        ("- a\n- b\n", ["must be a mapping", "a list"]),
        ("just words\n", ["must be a mapping", "'just words'"]),
        ("a: 1\n---\nb: 2\n", ["a.yaml:2", "not valid YAML"]),
        ("a: !!python/object:os.system x\n", ["a.yaml:1", "python/object"]),
        ("a:\n  b: !!set {x, y}\n", ["a.yaml:2", "set", "not allowed"]),
        ("a: !!int x\n", ["a.yaml:1"]),
        ("a: !!timestamp x\n", ["a.yaml:1"]),
        ("a: !!float x\n", ["a.yaml:1"]),
        ("a: &x [*x]\n", ["a.yaml:1", "contains itself"]),
        ("? [a, b]\n: 1\n", ["a.yaml:1", "plain word"]),
        ("a: *missing\n", ["a.yaml:1", "missing"]),
        ("a: \x07\n", ["a.yaml", "not valid YAML"]),
    ],
)
def test_what_no_config_can_mean(text: str, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        _document(tmp_path, text)
    for word in words:
        assert word in raised.value.message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read config a\.yaml: No such file"):
        _read(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match=r"cannot read config a\.yaml: Is a directory"):
        _read(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00x")
    with pytest.raises(ConfigError, match="not valid YAML"):
        _read(tmp_path / "b.yaml")


@pytest.mark.parametrize("text", ["[a", "{a: 1, a: 2}", "a: b: c", "!!python/name:os.system x"])
def test_values_that_are_no_yaml(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_value(text)
