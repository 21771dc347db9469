"""Named tensors in safetensors files; a tensor with several names is stored once, and read under all."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clipbug.errors import CheckpointError

_TIED = "tied"


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write the tensors into a folder that `atomic_folder` gave: it explains errors and tidies up.

    Raises:
        OSError: the file cannot be written.
    """
    names = names_by_place(tensors)
    taken: set[int] = set()
    stored = {first: _own_storage(tensors[first], taken) for first, *_ in names}
    tied = {other: first for first, *others in names for other in others}
    try:
        save_file(stored, path, metadata={"format": "pt", _TIED: json.dumps(tied)})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def copy_to_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that no longer change with the originals; names of one tensor share one copy."""
    copies: dict[tuple[object, ...], Tensor] = {}
    for name, tensor in tensors.items():
        place = _place(name, tensor)
        if place not in copies:
            copies[place] = tensor.detach().to("cpu", copy=True)
    return {name: copies[_place(name, tensor)] for name, tensor in tensors.items()}


def load_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file by name, on the CPU; tied names share one tensor.

    Raises:
        CheckpointError: there is no such file, or it is damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error
    for name, first in json.loads(metadata.get(_TIED, "{}")).items():
        tensors[name] = tensors[first]
    return tensors


def names_by_place(tensors: Mapping[str, Tensor]) -> list[list[str]]:
    """The names, those of one tensor together, each in the order in which they come."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, tensor in tensors.items():
        groups.setdefault(_place(name, tensor), []).append(name)
    return list(groups.values())


def _place(name: str, tensor: Tensor) -> tuple[object, ...]:
    # Empty tensors have no memory of their own, so their address says nothing.
    if not tensor.numel():
        return (name,)
    return (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)


def _own_storage(tensor: Tensor, taken: set[int]) -> Tensor:
    """On the CPU, contiguous, and in memory that no other stored tensor shares, as the format wants it."""
    copy = tensor.detach().cpu().contiguous()
    storage = copy.untyped_storage()
    if storage.data_ptr() in taken or storage.nbytes() != copy.nbytes:
        return copy.clone()
    taken.add(storage.data_ptr())
    return copy
