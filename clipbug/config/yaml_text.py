"""Read and write YAML 1.2: 5e-5 is a number, yes and off are strings."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clipbug.config.problems import Problem
from clipbug.errors import ConfigError

_TAG = "tag:yaml.org,2002:"
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_PATTERNS = {
    "null": re.compile("~|null|Null|NULL|"),
    "bool": re.compile("true|True|TRUE|false|False|FALSE"),
    "int": re.compile("[-+]?[0-9]+"),
    "float": re.compile(_FLOAT),
}


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2 instead of 1.1."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Return the tag of a node without an explicit one."""
        if kind is yaml.ScalarNode and implicit[0]:
            return _TAG + next((tag for tag, pattern in _PATTERNS.items() if pattern.fullmatch(value)), "str")
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


class _Dumper(yaml.SafeDumper):
    """Writes groups as blocks and lists in brackets; quotes strings that YAML 1.1 or 1.2 would misread."""

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        """Represent a list in flow style."""
        return super().represent_sequence(tag, sequence, flow_style=True)


# The base class reads 1.0e-05 but not 1e-05 as a number, so it would not quote the string "1e-05".
_Dumper.add_implicit_resolver(f"{_TAG}float", re.compile(f"^({_FLOAT})$"), list("-+.0123456789"))


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file.

    Attributes:
        values: The top-level mapping.
        origins: Dotted path -> "file:line".
        problems: Repeated keys.
    """

    values: dict[str, Any]
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_document(path: Path, *, shown_as: str) -> Document:
    """Read a YAML file with a mapping at the top level.

    Returns:
        The document.

    Raises:
        ConfigError: The file does not exist, or is not text, not YAML, or not a mapping.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
    except OSError as error:
        raise ConfigError(f"cannot read config {shown_as}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{_where(shown_as, error)} is not valid YAML: {_what(error)}") from error
    if node is None:
        return Document({})
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"config {shown_as} must be a mapping (key: value), got {_kind(node)}")
    document = Document({})
    document.values.update(_Reader(shown_as, document).value(node, ""))
    return document


def parse_value(text: str) -> Any:
    """Parse a value from the command line: `5e-5`, `null`, `[a, b]`, `{name: random}`.

    Returns:
        The value.

    Raises:
        ConfigError: The text is not YAML, or a key is repeated.
    """
    document = Document({})
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise ConfigError(f"is not valid YAML: {_what(error)}") from error
    value = None if node is None else _Reader("--set", document).value(node, "")
    if document.problems:
        raise ConfigError("; ".join(f"{problem.path}: {problem.reason}" for problem in document.problems))
    return value


def dump_values(values: Mapping[str, Any]) -> str:
    """Write YAML that `read_document` reads back as the same values."""
    return yaml.dump(
        dict(values), Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True
    )


class _Reader:
    """Converts nodes to values, and records the location of each."""

    def __init__(self, source: str, document: Document) -> None:
        self._source = source
        self._document = document
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node, path: str) -> Any:
        """Return the value of the node at a path.

        Raises:
            ConfigError: The value contains itself.
        """
        if node in self._open:
            raise ConfigError(f"{self._origin(node)}: a value contains itself")
        if path:
            self._document.origins.setdefault(path, self._origin(node))
        self._open.append(node)
        value = self._construct(node, path)
        self._open.pop()
        return value

    def _construct(self, node: yaml.Node, path: str) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return {key: self.value(child, _join(path, key)) for key, child in self._pairs(node, path)}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.value(child, _join(path, str(index))) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        raise ConfigError(f"{self._origin(node)}: the tag {node.tag} is not allowed in a config")

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        tag, text = node.tag.removeprefix(_TAG), node.value
        if tag == "str":
            return text
        if tag not in _PATTERNS or not _PATTERNS[tag].fullmatch(text):
            raise ConfigError(f"{self._origin(node)}: the tag {node.tag} is not allowed for {text!r}")
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        return (
            int(text) if tag == "int" else float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        )

    def _pairs(self, node: yaml.MappingNode, path: str) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for key_node, child in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(f"{self._origin(key_node)}: a key must be a plain word")
            key, line = key_node.value, key_node.start_mark.line + 1
            if key in seen:
                reason = f"is repeated, first on line {seen[key]}"
                self._document.problems.append(
                    Problem(_join(path, key), reason, origin=f"{self._source}:{line}")
                )
                continue
            seen[key] = line
            self._document.origins[_join(path, key)] = f"{self._source}:{line}"
            yield key, child

    def _origin(self, node: yaml.Node) -> str:
        return f"{self._source}:{node.start_mark.line + 1}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _kind(node: yaml.Node) -> str:
    return "a list" if isinstance(node, yaml.SequenceNode) else f"the text {node.value!r}"


def _where(source: str, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{source}:{mark.line + 1}" if mark else source


def _what(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error)
