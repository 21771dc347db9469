"""Compare two configs."""

from typing import Any

from clipbug.config.run import RunConfig


def differing_values(first: RunConfig, second: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Return dotted path -> both values of every setting that differs; None for a key that a config lacks."""
    old, new = _flatten(first.model_dump(mode="json")), _flatten(second.model_dump(mode="json"))
    keys = sorted(old.keys() | new.keys())
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def _flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat
