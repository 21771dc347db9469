"""Enumerate the keys of the config models, for error messages and the reference page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic.fields import FieldInfo

from clipbug.config.base import StrictModel
from clipbug.config.run import RunConfig


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One key of a config.

    Attributes:
        path: Dotted path, such as "model.backbone.widths".
        model: Model that declares it; its `name` distinguishes the members of a union.
        info: pydantic's field info.
    """

    path: str
    model: type[StrictModel]
    info: FieldInfo


def submodels(annotation: Any) -> tuple[type[StrictModel], ...]:
    """Return the models that a field may contain: none for a plain value, several for a union by `name`."""
    if isinstance(annotation, type):
        return (annotation,) if issubclass(annotation, StrictModel) else ()
    return tuple(model for part in get_args(annotation) for model in submodels(part))


def tag_of(model: type[StrictModel]) -> str:
    """Return the `name` that selects this member of a union; "" for a model outside unions."""
    return str(model.model_fields["name"].default) if "name" in model.model_fields else ""


def config_keys(model: type[StrictModel] = RunConfig, prefix: str = "") -> Iterator[ConfigKey]:
    """Yield all keys, groups before their members; paths that union members share occur once per member."""
    for name, info in model.model_fields.items():
        yield ConfigKey(f"{prefix}{name}", model, info)
        for submodel in submodels(info.annotation):
            yield from config_keys(submodel, f"{prefix}{name}.")


def resolve(location: tuple[int | str, ...]) -> tuple[str, type[StrictModel] | None]:
    """Convert pydantic's location of an error to a dotted path and the model of its last key.

    pydantic inserts the member's tag after the name of a union's field; the path in a file has no such step.

    Returns:
        The dotted path, and the model or None.
    """
    path: list[str] = []
    owner: type[StrictModel] | None = None
    choices: tuple[type[StrictModel], ...] = (RunConfig,)
    for step in location:
        if len(choices) > 1:
            choices = tuple(model for model in choices if tag_of(model) == step)
            continue
        owner = choices[0] if choices else None
        info = owner.model_fields.get(str(step)) if owner else None
        choices = submodels(info.annotation) if info else ()
        path.append(str(step))
    return ".".join(path), owner


def tags_at(path: str) -> list[str]:
    """Return the names of the union at a path; empty if there is no union."""
    models = next((submodels(key.info.annotation) for key in config_keys() if key.path == path), ())
    return [tag_of(model) for model in models] if len(models) > 1 else []
