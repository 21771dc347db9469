"""Names that training programs put around a model: in front of all names, between them, and as outer keys."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from clipbug.errors import CheckpointError

KEYS = ("model", "state_dict", "model_state_dict", "module", "net", "network", "weights")
"""Keys under which training scripts put a state dict beside other things, the usual first."""

AVERAGED_KEYS = (
    *("ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict", "model_ema_state_dict"),
    *("averaged_model", "swa_model", "shadow_params"),
)
"""Keys of averages over training steps; taken where the file holds no other state dict."""

_INNER = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
"""Attributes of DDP, torch.compile, FSDP, activation checkpoints and DeepSpeed, around any part."""

_AVERAGES = ("ema", "ema_model", "model_ema", "averaged_model", "swa_model")
_LEADING = {*KEYS, *_INNER, *_AVERAGES, *AVERAGED_KEYS, "online_model", "_model", "_module"}

IsModel = Callable[[Collection[str]], bool]


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A state dict without its wrappers.

    Attributes:
        tensors: those of the model by their own names; others by the names in the file.
        removed: what was taken off the model's names, such as "module._orig_mod.".
        other_copies: prefixes under which the file holds the model again (averages); not used.
    """

    tensors: dict[str, Tensor]
    removed: tuple[str, ...] = ()
    other_copies: tuple[str, ...] = ()


def outer_key(content: Mapping[Any, Any]) -> str | None:
    """The key under which a file's content holds its state dict; None if it is the state dict itself."""
    if any(isinstance(value, Tensor) and "." in str(key) for key, value in content.items()):
        return None
    found = (key for key in (*KEYS, *AVERAGED_KEYS) if isinstance(content.get(key), Mapping) and content[key])
    return next(found, None)


def other_state_dicts(content: Mapping[Any, Any], key: str) -> tuple[str, ...]:
    """Further keys that hold a state dict."""
    return tuple(
        name
        for name in (*KEYS, *AVERAGED_KEYS)
        if name != key and isinstance(content.get(name), Mapping) and content[name]
    )


def unwrapped(tensors: Mapping[str, Tensor], *, is_model: IsModel, source: str) -> Unwrapped:
    """The tensors without wrappers' names; as they are where no wrapper is known by its name or place.

    Args:
        tensors: of one file.
        is_model: whether names are those of a model that clipbug reads.
        source: named in errors.

    Raises:
        CheckpointError: two tensors get the same name, or parts of the model lie under different wrappers.
    """
    groups: dict[str, dict[str, str]] = {}
    for name in tensors:
        prefix, rest = _split(name)
        own = groups.setdefault(prefix, {})
        if rest in own:
            raise CheckpointError(
                f"{source} holds {rest} twice, as {own[rest]} and as {name}",
                hint="keep one of the two in the file",
            )
        own[rest] = name
    models = [prefix for prefix, names in groups.items() if is_model(names)]
    if not models:
        return _without_unknown_prefix(tensors, groups, is_model, source)
    chosen, copies = _choose(models, groups, source)
    return _taken_off(tensors, groups[chosen], copies, source)


def _split(name: str) -> tuple[str, str]:
    """(leading wrappers, the rest without inner wrappers)."""
    parts = name.split(".")
    num_leading = 0
    while num_leading < len(parts) - 1 and parts[num_leading] in _LEADING:
        num_leading += 1
    rest = [part for part in parts[num_leading:-1] if part not in _INNER]
    prefix = "".join(f"{part}." for part in parts[:num_leading])
    return prefix, ".".join([*rest, parts[-1]])


def _choose(
    models: Sequence[str], groups: Mapping[str, Mapping[str, str]], source: str
) -> tuple[str, tuple[str, ...]]:
    """The prefix of the model, and those of its further copies."""
    plain = [prefix for prefix in models if not set(prefix.split(".")) & set(_AVERAGES)] or list(models)
    if len(plain) > 1:
        first, second = (next(iter(groups[prefix].values())) for prefix in plain[:2])
        raise CheckpointError(
            f"{source} holds tensors of a model under different names: {first} and {second}",
            hint="save one model alone, all its tensors under one name",
        )
    return plain[0], tuple(prefix for prefix in models if prefix != plain[0])


def _taken_off(
    tensors: Mapping[str, Tensor], own: Mapping[str, str], copies: tuple[str, ...], source: str
) -> Unwrapped:
    new_names = {old: new for new, old in own.items()}
    renamed = {new_names.get(name, name): tensor for name, tensor in tensors.items()}
    if len(renamed) < len(tensors):
        twice = next(new for old, new in new_names.items() if old != new and new in tensors)
        raise CheckpointError(
            f"{source} holds {twice} twice, once behind another name", hint="keep one of the two in the file"
        )
    removed = dict.fromkeys(_difference(old, new) for old, new in new_names.items() if old != new)
    return Unwrapped(renamed, tuple(removed), copies)


def _difference(old: str, new: str) -> str:
    """What of the old name is not in the new one: module.bert._orig_mod.x, bert.x -> "module._orig_mod."."""
    rest = new.split(".")
    removed = []
    for part in old.split("."):
        if rest and part == rest[0]:
            rest.pop(0)
        else:
            removed.append(f"{part}.")
    return "".join(removed)


def _without_unknown_prefix(
    tensors: Mapping[str, Tensor],
    groups: Mapping[str, Mapping[str, str]],
    is_model: IsModel,
    source: str,
) -> Unwrapped:
    """A wrapper's own attribute (`self.clipbert`) in front of every name: taken off if a model remains."""
    if len(groups) != 1:
        return Unwrapped(dict(tensors))
    known = next(iter(groups.values()))
    own = dict(known)
    while (shared := _shared_part(own)) is not None:
        own = {name.removeprefix(f"{shared}."): old for name, old in own.items()}
        if is_model(own):
            return _taken_off(tensors, own, (), source)
    return _taken_off(tensors, known, (), source)


def _shared_part(names: Iterable[str]) -> str | None:
    """The first part of all names, or None if it differs or is all of a name."""
    firsts = {name.partition(".")[0] if "." in name else None for name in names}
    return firsts.pop() if len(firsts) == 1 else None
