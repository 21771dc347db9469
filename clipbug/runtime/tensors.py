"""Named tensors in safetensors files; a tensor with several names is stored once and loaded under all."""

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
    """Write tensors to a folder from `atomic_folder`, which explains errors and cleans up.

    Raises:
        OSError: The file cannot be written.
    """
    names = group_shared_names(tensors)
    taken: set[int] = set()
    stored = {first: _own_storage(tensors[first], taken) for first, *_ in names}
    tied = {other: first for first, *others in names for other in others}
    try:
        save_file(stored, path, metadata={"format": "pt", _TIED: json.dumps(tied)})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def copy_to_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors, so that they no longer change with the originals; names of one tensor share one copy."""
    copies: dict[tuple[object, ...], Tensor] = {}
    for name, tensor in tensors.items():
        key = _memory_key(name, tensor)
        if key not in copies:
            copies[key] = tensor.detach().to("cpu", copy=True)
    return {name: copies[_memory_key(name, tensor)] for name, tensor in tensors.items()}


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Load all tensors of a safetensors file by name, on the CPU; tied names share one tensor.

    Returns:
        Tensors by name.

    Raises:
        CheckpointError: The file does not exist, is damaged, cut off, or something else.
    """
    if not path.is_file():
        raise CheckpointError(f"file {path} does not exist", "give a folder that contains weights")
    refuse_mistaken(path, is_text=False)
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        unreadable = _unreadable(path, error)
        raise unreadable from error
    for name, first in json.loads(metadata.get(_TIED, "{}")).items():
        tensors[name] = tensors[first]
    return tensors


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    missing = cut_off(path)
    if missing is not None:
        return CheckpointError(f"{path} is {missing}", "download or copy the file again")
    return CheckpointError(
        f"{path} is damaged or not a safetensors file: {error}",
        "download or copy it again; clipbug reads .safetensors files, and PyTorch files of tensors only",
    )


def refuse_values(
    tensors: Mapping[str, Tensor], *, source: str, dtypes: Mapping[str, torch.dtype] | None = None
) -> None:
    """Raise unless every tensor has finite numbers, of a type that can be computed with.

    Args:
        tensors: Tensors to check.
        source: Name of the file, for errors.
        dtypes: Types to which the tensors will be converted; values too large for them are rejected too.

    Raises:
        CheckpointError: A value is or becomes NaN or infinite, or a tensor is quantized, complex or without
            data. Each tensor is named.
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
        "use an earlier checkpoint, or weights in fp32, fp16 or bf16; NaN and infinite values come from"
        " diverged training or from a conversion to half precision",
    )


def _problem_of(tensor: Tensor, dtype: torch.dtype | None) -> str | None:
    """Return what is wrong with a tensor that will be converted to `dtype`, or None."""
    kind = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_quantized:
        return f"it is quantized ({kind})"
    if tensor.device.type == "meta":
        return "it has no data (device meta)"
    if tensor.layout != torch.strided:
        return f"it is stored as {str(tensor.layout).removeprefix('torch.')}"
    if dtype is not None and dtype.is_floating_point and tensor.dtype not in _HALVES:
        return f"it is of type {kind}, expected floating point (quantized weights?)"
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
        return f"it contains {max(smallest, largest, key=abs):.3g}, beyond the {target} limit of {most:.3g}"
    return None


def group_shared_names(tensors: Mapping[str, Tensor]) -> list[list[str]]:
    """Group names that refer to the same tensor, in order of first occurrence."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, tensor in tensors.items():
        groups.setdefault(_memory_key(name, tensor), []).append(name)
    return list(groups.values())


def _memory_key(name: str, tensor: Tensor) -> tuple[object, ...]:
    # Empty tensors own no memory, so their address identifies nothing.
    if not tensor.numel():
        return (name,)
    return (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)


def _own_storage(tensor: Tensor, taken: set[int]) -> Tensor:
    """Return a contiguous CPU tensor that shares no memory with others stored, as the format requires."""
    copy = tensor.detach().cpu().contiguous()
    storage = copy.untyped_storage()
    if storage.data_ptr() in taken or storage.nbytes() != copy.nbytes:
        return copy.clone()
    taken.add(storage.data_ptr())
    return copy
