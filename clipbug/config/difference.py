"""What two configs do not have in common."""

from typing import Any

from clipbug.config.run import RunConfig


def differing_values(first: RunConfig, second: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Dotted path -> both values, of every setting that differs; None where one config has no such key."""
    old, new = _flat(first.model_dump(mode="json")), _flat(second.model_dump(mode="json"))
    keys = sorted(old.keys() | new.keys())
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat
