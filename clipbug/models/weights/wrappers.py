"""Remove the names that training frameworks add to a state dict: prefixes, inner names and outer keys."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from clipbug.errors import CheckpointError

KEYS = ("model", "state_dict", "model_state_dict", "module", "net", "network", "weights")
"""Keys under which training scripts store a state dict among other things, most common first."""

AVERAGED_KEYS = (
    *("ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict", "model_ema_state_dict"),
    *("averaged_model", "swa_model", "shadow_params"),
)
"""Keys of averages over training steps; used if the file contains no other state dict."""

_INNER = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
"""Attributes of DDP, torch.compile, FSDP, activation checkpointing and DeepSpeed, around any module."""

_AVERAGES = ("ema", "ema_model", "model_ema", "averaged_model", "swa_model")
_LEADING = {*KEYS, *_INNER, *_AVERAGES, *AVERAGED_KEYS, "online_model", "_model", "_module"}

IsModel = Callable[[Collection[str]], bool]


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A state dict without its wrappers.

    Attributes:
        tensors: The model's tensors by their own names; others by their names in the file.
        removed: What was removed from the model's names, such as "module._orig_mod.".
        other_copies: Prefixes of further copies of the model (averages); not used.
    """

    tensors: dict[str, Tensor]
    removed: tuple[str, ...] = ()
    other_copies: tuple[str, ...] = ()


def outer_key(content: Mapping[Any, Any]) -> str | None:
    """Return the key under which a file's content has its state dict; None if it is the state dict itself."""
    if any(isinstance(value, Tensor) and "." in str(key) for key, value in content.items()):
        return None
    found = (key for key in (*KEYS, *AVERAGED_KEYS) if isinstance(content.get(key), Mapping) and content[key])
    return next(found, None)


def other_state_dicts(content: Mapping[Any, Any], key: str) -> tuple[str, ...]:
    """Return further keys that contain a state dict."""
    return tuple(
        name
        for name in (*KEYS, *AVERAGED_KEYS)
        if name != key and isinstance(content.get(name), Mapping) and content[name]
    )


def unwrapped(tensors: Mapping[str, Tensor], *, is_model: IsModel, source: str) -> Unwrapped:
    """Remove wrapper names from tensors; names without a known wrapper are unchanged.

    Args:
        tensors: Tensors of one file.
        is_model: Whether names are those of a model that clipbug can read.
        source: Name of the file, for errors.

    Returns:
        The state dict without wrappers.

    Raises:
        CheckpointError: Two tensors get the same name, or the model is split over different wrappers.
    """
    groups: dict[str, dict[str, str]] = {}
    for name in tensors:
        prefix, rest = _split(name)
        own = groups.setdefault(prefix, {})
        if rest in own:
            raise CheckpointError(
                f"{source} contains {rest} twice, as {own[rest]} and as {name}",
                hint="keep only one of the two in the file",
            )
        own[rest] = name
    models = [prefix for prefix, names in groups.items() if is_model(names)]
    if not models:
        return _without_unknown_prefix(tensors, groups, is_model, source)
    chosen, copies = _choose(models, groups, source)
    return _without_prefixes(tensors, groups[chosen], copies, source)


def _split(name: str) -> tuple[str, str]:
    """Return (leading wrappers, the rest without inner wrappers)."""
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
    """Return the prefix of the model, and those of its further copies."""
    plain = [prefix for prefix in models if not set(prefix.split(".")) & set(_AVERAGES)] or list(models)
    if len(plain) > 1:
        first, second = (next(iter(groups[prefix].values())) for prefix in plain[:2])
        raise CheckpointError(
            f"{source} contains tensors of a model under different prefixes: {first} and {second}",
            hint="save a single model, with all its tensors under one prefix",
        )
    return plain[0], tuple(prefix for prefix in models if prefix != plain[0])


def _without_prefixes(
    tensors: Mapping[str, Tensor], own: Mapping[str, str], copies: tuple[str, ...], source: str
) -> Unwrapped:
    new_names = {old: new for new, old in own.items()}
    renamed = {new_names.get(name, name): tensor for name, tensor in tensors.items()}
    if len(renamed) < len(tensors):
        twice = next(new for old, new in new_names.items() if old != new and new in tensors)
        raise CheckpointError(
            f"{source} contains {twice} twice, once with a prefix",
            hint="keep only one of the two in the file",
        )
    removed = dict.fromkeys(_difference(old, new) for old, new in new_names.items() if old != new)
    return Unwrapped(renamed, tuple(removed), copies)


def _difference(old: str, new: str) -> str:
    """Return the removed components of a name: module.bert._orig_mod.x, bert.x -> "module._orig_mod."."""
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
    """Remove an unknown wrapper attribute (`self.clipbert`) before every name if a model remains."""
    if len(groups) != 1:
        return Unwrapped(dict(tensors))
    known = next(iter(groups.values()))
    own = dict(known)
    while (shared := _shared_prefix(own)) is not None:
        own = {name.removeprefix(f"{shared}."): old for name, old in own.items()}
        if is_model(own):
            return _without_prefixes(tensors, own, (), source)
    return _without_prefixes(tensors, known, (), source)


def _shared_prefix(names: Iterable[str]) -> str | None:
    """Return the first component of all names, or None if it differs or is a whole name."""
    firsts = {name.partition(".")[0] if "." in name else None for name in names}
    return firsts.pop() if len(firsts) == 1 else None
