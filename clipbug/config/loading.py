"""Load a `RunConfig` from a preset or file, `--set` and flags, reporting all mistakes at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from clipbug.config.base import StrictModel
from clipbug.config.overrides import apply_flags, apply_overrides
from clipbug.config.presets import default_preset, preset_names, preset_path
from clipbug.config.problems import Problem, nearest, raise_problems, reason_for, shown
from clipbug.config.run import RunConfig
from clipbug.config.schema import config_keys, resolve, tag_of, tags_at
from clipbug.config.task import find_task
from clipbug.config.yaml_text import Document, dump_values, read_document
from clipbug.errors import ConfigError
from clipbug.runtime.files import existing_path


def load_config(
    source: str | Path | None,
    *,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
    task: str | None = None,
) -> RunConfig:
    """Load a config: field defaults < YAML < `--set` < named flags.

    Args:
        source: Name of a preset or a YAML file; None for the task's default preset.
        overrides: Texts `a.b=c`, where c is YAML; a mapping replaces the whole group.
        flags: Dotted path -> value; None if the flag was not given.
        task: Task that the command trains; a config for another task is rejected.

    Returns:
        The config.

    Raises:
        ConfigError: The config has mistakes; the message lists all of them.
    """
    wanted = find_task(task).task_name() if task else None
    if source is None and wanted is None:
        raise ConfigError(
            "neither a task nor a config is given", "give --task vqa, or --config with a preset or file"
        )
    path, name = _locate(source if source is not None else default_preset(str(wanted)))
    document = read_document(path, shown_as=name)
    apply_overrides(document, overrides)
    apply_flags(document, flags or {})
    _settle_task(document, wanted, config=name)
    config, problems = _validate(document, fallback=name)
    hint = f"show all keys and values: clipbug config show {source or default_preset(str(wanted))}"
    raise_problems([*document.problems, *problems], config=f"config {name}", hint=hint)
    assert config is not None
    return config


def config_from_values(values: dict[str, Any], *, overrides: Sequence[str] = (), shown_as: str) -> RunConfig:
    """Build a config like `load_config`, from values that were converted from another program's file.

    Returns:
        The config.

    Raises:
        ConfigError: The config has mistakes; the message lists all of them.
    """
    document = Document(values)
    apply_overrides(document, overrides)
    config, problems = _validate(document, fallback=shown_as)
    raise_problems(
        [*document.problems, *problems], config=shown_as, hint="change a value with --set KEY=VALUE"
    )
    assert config is not None
    return config


def dump_config(config: RunConfig) -> str:
    """YAML text of all values; `load_config` reads it back as an equal config."""
    return dump_values(config.model_dump(mode="json"))


def _locate(source: str | Path) -> tuple[Path, str]:
    """Return the file, and its name for messages."""
    if isinstance(source, str) and source in preset_names():
        path = preset_path(source)
    elif Path(source).suffix in {".yaml", ".yml"} or existing_path(source):
        path = Path(source)
    else:
        path = preset_path(str(source))
    here = Path.cwd()
    return path, str(path.relative_to(here) if path.is_relative_to(here) else path)


def _settle_task(document: Document, wanted: str | None, *, config: str) -> None:
    """Normalize the task's name, and check it against the one that the command trains.

    Raises:
        ConfigError: The config is for another task.
    """
    block = document.values.get("task")
    if wanted and block is None:
        document.values["task"] = {"name": wanted}
        document.origins["task"] = f"--task {wanted}"
    if not isinstance(block, dict) or not isinstance(block.get("name"), str):
        return
    block["name"] = block["name"].replace("-", "_")
    if wanted and block["name"] in tags_at("task") and block["name"] != wanted:
        raise ConfigError(
            f"config {config} is for task {block['name']}, not {wanted}",
            f"omit --config, or give one for {wanted}: --config {default_preset(wanted)}",
        )


def _validate(document: Document, *, fallback: str) -> tuple[RunConfig | None, list[Problem]]:
    try:
        return RunConfig.model_validate(document.values), []
    except ValidationError as error:
        return None, [_problem(details, document.origins, fallback) for details in error.errors()]


def _problem(details: ErrorDetails, origins: Mapping[str, str], fallback: str) -> Problem:
    path, owner = resolve(details["loc"])
    kind, context = details["type"], details.get("ctx", {})
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_name(path, str(context.get("tag", "")), origins, fallback)
    origin = _origin(path, origins) or fallback
    if kind == "extra_forbidden":
        reason, guess = _unknown_key(path, owner)
        return Problem(path, reason, value=shown(details["input"]), origin=origin, nearest=guess)
    # For a missing key, pydantic's input is the group that lacks it.
    value = "" if kind == "missing" else shown(details["input"])
    return Problem(path, reason_for(kind, context, details["msg"]), value=value, origin=origin)


def _wrong_name(group: str, name: str, origins: Mapping[str, str], fallback: str) -> Problem:
    """Return the problem of a union member whose name is invalid or missing."""
    names, path = tags_at(group), f"{group}.name"
    origin = _origin(path if path in origins else group, origins) or fallback
    value = shown(name) if name else ""
    return Problem(path, f"must be one of {', '.join(names)}", value, origin, nearest(name, names))


def _unknown_key(path: str, owner: type[StrictModel] | None) -> tuple[str, str]:
    """Return why a key is rejected, and the key that may be meant."""
    group, _, key = path.rpartition(".")
    keys = list(config_keys())
    kind = tag_of(owner) if owner else ""
    kinds = [tag_of(known.model) for known in keys if known.path == path]
    if kind and kinds:
        change = f"to change the kind, replace the group: --set '{group}={{name: {kind}}}'"
        return f"is a key of {' and '.join(kinds)}, not of {kind}; {change}", ""
    sibling = nearest(key, owner.model_fields if owner else ())
    if sibling:
        return "is not a known key", f"{group}.{sibling}" if group else sibling
    by_name = {known.path: known.path.rpartition(".")[2] for known in keys}
    name = key if key in by_name.values() else nearest(key, sorted(set(by_name.values())))
    return "is not a known key", " or ".join(known for known in by_name if by_name[known] == name)


def _origin(path: str, origins: Mapping[str, str]) -> str:
    """Return where the value at a path comes from; for a group, also what overrides its keys."""
    parts = path.split(".")
    known = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    own = next((origins[part] for part in known if part in origins), "")
    overridden_by = [
        origin
        for inner, origin in origins.items()
        if inner.startswith(f"{path}.") and origin.startswith("--")
    ]
    return ", ".join(filter(None, [own, *overridden_by]))


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
