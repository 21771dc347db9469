"""Named tensors in safetensors files; a tensor with several names is stored once, and read under all."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clipbug.errors import CheckpointError
from clipbug.runtime.mistaken_files import refuse_mistaken
from clipbug.runtime.truncation import cut_off

_TIED = "tied"
_NAMES_SHOWN = 4
_HALVES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


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
        CheckpointError: there is no such file, it is damaged, cut off, or something else.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}", "name a folder that holds its weights")
    refuse_mistaken(path, is_text=False)
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    for name, first in json.loads(metadata.get(_TIED, "{}")).items():
        tensors[name] = tensors[first]
    return tensors


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    missing = cut_off(path)
    if missing is not None:
        return CheckpointError(f"{path} is {missing}", "download or copy the file again")
    return CheckpointError(
        f"{path} is damaged or no safetensors file: {error}",
        "download or copy it again; clipbug reads .safetensors files, and PyTorch files of tensors only",
    )


def refuse_values(
    tensors: Mapping[str, Tensor], *, source: str, dtypes: Mapping[str, torch.dtype] | None = None
) -> None:
    """Pass if every tensor holds finite numbers, of a type that can be computed with.

    Args:
        tensors: to look at.
        source: named in the error.
        dtypes: what the tensors become; a value that is too large for it is refused too.

    Raises:
        CheckpointError: a value is not a number or infinite, or becomes so; quantised or complex tensors,
            or ones without data. Each is named.
    """
    wrong = {
        name: problem
        for name, tensor in tensors.items()
        if (problem := _problem_of(tensor, (dtypes or {}).get(name))) is not None
    }
    if not wrong:
        return
    shown = "; ".join(f"{name}: {problem}" for name, problem in list(wrong.items())[:_NAMES_SHOWN])
    more = f"; and {len(wrong) - _NAMES_SHOWN} more" if len(wrong) > _NAMES_SHOWN else ""
    raise CheckpointError(
        f"{len(wrong)} of {len(tensors)} tensors in {source} cannot be used: {shown}{more}",
        "take an earlier checkpoint, or weights in fp32, fp16 or bf16; values that are not finite come from a"
        " training that diverged, or from a conversion to half precision",
    )


def _problem_of(tensor: Tensor, dtype: torch.dtype | None) -> str | None:
    """What is wrong with a tensor that becomes one of `dtype`, or None."""
    kind = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_quantized:
        return f"it is quantised ({kind})"
    if tensor.device.type == "meta":
        return "it has no data (device meta)"
    if tensor.layout != torch.strided:
        return f"it is stored as {str(tensor.layout).removeprefix('torch.')}"
    if dtype is not None and dtype.is_floating_point and tensor.dtype not in _HALVES:
        return f"it is of type {kind}, and decimal numbers are needed (quantised weights?)"
    if not tensor.numel() or tensor.dtype not in _HALVES:
        return None
    smallest, largest = (float(value) for value in torch.aminmax(tensor.detach()))
    if not (math.isfinite(smallest) and math.isfinite(largest)):
        num_nan = int(tensor.isnan().sum())
        num_infinite = int(tensor.isinf().sum())
        return f"{num_nan} values are NaN and {num_infinite} infinite, of {tensor.numel()}"
    if dtype is None or not dtype.is_floating_point:
        return None
    most = torch.finfo(dtype).max
    if max(-smallest, largest) > most:
        target = str(dtype).removeprefix("torch.")
        return f"it holds {max(smallest, largest, key=abs):.3g}, and {target} ends at {most:.3g}"
    return None


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
