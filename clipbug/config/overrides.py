"""Apply `--set a.b=c` and named flags to the values of a file."""

from collections.abc import Mapping, Sequence
from typing import Any

from clipbug.config.problems import Problem, shown
from clipbug.config.yaml_text import Document, parse_value
from clipbug.errors import ConfigError


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Apply `path=value` texts to a document, in order; record invalid ones in its problems."""
    for override in overrides:
        path, equals, text = (part.strip() for part in override.partition("="))
        origin = f"--set {override}"
        if not equals:
            document.problems.append(Problem(override, "has no '='; write --set path=value", origin="--set"))
            continue
        try:
            value = parse_value(text)
        except ConfigError as error:
            document.problems.append(Problem(path, error.message, value=text, origin=origin))
            continue
        put(document, path, value, origin=origin)


def apply_flags(document: Document, flags: Mapping[str, Any]) -> None:
    """Apply named flags (dotted path -> value, None = not given) to a document."""
    for path, value in flags.items():
        if value is not None:
            put(document, path, value, origin=f"--{path.rsplit('.', 1)[-1].replace('_', '-')}")


def put(document: Document, path: str, value: Any, *, origin: str) -> None:
    """Set one value. A mapping replaces the whole group, so that another member of a union can be chosen."""
    *parents, last = path.split(".")
    if not all((*parents, last)):
        document.problems.append(
            Problem(path or "(empty)", "is not a dotted path such as train.batch_size", origin=origin)
        )
        return
    group: Any = document.values
    for depth, parent in enumerate(parents, start=1):
        group = group.setdefault(parent, {})
        if not isinstance(group, dict):
            reason = f"cannot be set: {'.'.join(parents[:depth])} is {shown(group)}, not a group of keys"
            document.problems.append(Problem(path, reason, origin=origin))
            return
    group[last] = value
    for inner in [known for known in document.origins if known.startswith(f"{path}.")]:
        del document.origins[inner]
    document.origins[path] = origin
