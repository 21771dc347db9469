"""Walks the config models: which keys exist where. Messages and the reference page are made from it."""

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
        path: dotted, e.g. "model.backbone.widths".
        model: the model that declares it; its `name` tells the members of a union apart.
        info: pydantic's description of it.
    """

    path: str
    model: type[StrictModel]
    info: FieldInfo


def submodels(annotation: Any) -> tuple[type[StrictModel], ...]:
    """The models that a field may hold: none for a plain value, several for a union by `name`."""
    if isinstance(annotation, type):
        return (annotation,) if issubclass(annotation, StrictModel) else ()
    return tuple(model for part in get_args(annotation) for model in submodels(part))


def tag_of(model: type[StrictModel]) -> str:
    """The `name` that picks this member of a union; "" for a model outside unions."""
    return str(model.model_fields["name"].default) if "name" in model.model_fields else ""


def config_keys(model: type[StrictModel] = RunConfig, prefix: str = "") -> Iterator[ConfigKey]:
    """All keys, each group before its members; a path that members of a union share comes once per member."""
    for name, info in model.model_fields.items():
        yield ConfigKey(f"{prefix}{name}", model, info)
        for submodel in submodels(info.annotation):
            yield from config_keys(submodel, f"{prefix}{name}.")


def resolve(location: tuple[int | str, ...]) -> tuple[str, type[StrictModel] | None]:
    """From pydantic's location of an error to the user's dotted path, and the model its last key belongs to.

    pydantic puts the member's tag after the name of a union's field; the path in a file has no such step.
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
    """The names of the union at this path; none if there is no union."""
    models = next((submodels(key.info.annotation) for key in config_keys() if key.path == path), ())
    return [tag_of(model) for model in models] if len(models) > 1 else []
