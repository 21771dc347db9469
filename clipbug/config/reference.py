"""Generate the page of all config keys: `python -m clipbug.config.reference > docs/configuration.md`."""

import json
import sys
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo

from clipbug.config.base import StrictModel
from clipbug.config.run import RunConfig
from clipbug.config.schema import submodels, tag_of

_INTRODUCTION = """\
# Configuration

Generated from the config models by `python -m clipbug.config.reference`; a test checks that it is up to date.

A config is a YAML file. `--config` takes a file or the name of a preset (`clipbug config list`). Without it,
the task's preset is used, such as `gui_vqa`, `gui_video_qa` or `gui_pretraining`. Later sources override
earlier ones: the defaults below, the YAML file, `--set a.b=c`, named flags such as `--seed`.

- `--set` reads the value as YAML: `--set train.batch_size=4 optim.transformer.learning_rate=5e-5`.
- A mapping replaces its whole group. Use this to choose another kind of a component:
  `--set 'model.backbone={name: resnet, architecture: resnet18}'`.
- YAML is read as version 1.2: `5e-5` is a number; `yes`, `no`, `on` and `off` are words.
- An unknown key is an error, and so is a repeated key. All mistakes are reported at once.

`clipbug config show gui_vqa` prints a config with all values; `clipbug config validate FILE` checks a file.
"""
_NAMES = {int: "integer", float: "number", str: "text", bool: "true or false", NoneType: "null"}
_LIMITS = {
    Gt: "> {0.gt}",
    Ge: ">= {0.ge}",
    Lt: "< {0.lt}",
    Le: "<= {0.le}",
    MinLen: "at least {0.min_length} items",
    MaxLen: "at most {0.max_length} items",
}


def configuration_page() -> str:
    """Return the whole page as Markdown."""
    return "\n".join([_INTRODUCTION, *_section("", (RunConfig,))])


def _section(path: str, models: tuple[type[StrictModel], ...]) -> Iterator[str]:
    """Yield a heading with a table per model allowed at this path, then the groups inside."""
    yield f"## {f'`{path}`' if path else 'Top level'}\n"
    for model in models:
        if len(models) > 1:
            yield f"### `{path}: {{name: {tag_of(model)}}}`\n"
        yield f"{(model.__doc__ or '').strip()}\n"
        yield from _table(path, model)
    for model in models:
        for name, info in model.model_fields.items():
            inner = submodels(info.annotation)
            if inner:
                yield from _section(f"{path}.{name}" if path else name, inner)


def _table(path: str, model: type[StrictModel]) -> Iterator[str]:
    rows = [_row(path, name, info) for name, info in model.model_fields.items() if name != "name"]
    if rows:
        yield "| key | type | default | meaning |\n|---|---|---|---|"
        yield "\n".join(rows) + "\n"


def _row(path: str, name: str, info: FieldInfo) -> str:
    key = f"{path}.{name}" if path else name
    meaning = (info.description or "").replace("|", r"\|")
    return f"| `{key}` | {_type_text(info)} | {_default_text(info)} | {meaning} |"


def _type_text(info: FieldInfo) -> str:
    models = submodels(info.annotation)
    if models:
        return f"one of {', '.join(map(tag_of, models))}" if len(models) > 1 else "group"
    return _annotation_text(info.annotation) + _limits_text(info.metadata)


def _annotation_text(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotation_text(arguments[0]) + _limits_text(annotation.__metadata__)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(map(_annotation_text, arguments))
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"list of {_annotation_text(arguments[0])}"
        return f"list of {len(arguments)}: {', '.join(map(_annotation_text, arguments))}"
    return _NAMES[annotation]


def _limits_text(metadata: Any) -> str:
    limits = [_LIMITS[type(part)].format(part) for part in metadata if type(part) in _LIMITS]
    return f" ({', '.join(limits)})" if limits else ""


def _default_text(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, StrictModel):
        return f"`{tag_of(type(default))}`" if tag_of(type(default)) else ""
    return f"`{json.dumps(default)}`"


if __name__ == "__main__":
    sys.stdout.write(configuration_page())
