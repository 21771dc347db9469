"""Tensors out of weight files of any origin, and nothing but tensors: no code runs from a file."""

import json
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from clipbug.errors import CheckpointError
from clipbug.runtime.tensors import load_tensors as load_safetensors

WRAPPERS = ("model", "state_dict", "model_state_dict", "module")
"""Keys under which training scripts put a state dict beside other things."""

FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_HINT = "clipbug reads .safetensors files, and PyTorch files of tensors only: save the state dict"
_WANTED_GLOBAL = re.compile(r"(?:GLOBAL |global )(\S+?\.\S+)")
_PARALLEL_PREFIX = "module."


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a weights file, by name.

    Args:
        path: a .safetensors file; a PyTorch file (of any age) that holds a state dict, also under one of
            `WRAPPERS`; a plain pickle of numpy arrays, as detectron2's model zoo has them; the index of a
            checkpoint in several files; or a folder with one of `FOLDER_FILES`. A `module.` before all names,
            which data-parallel training leaves, is taken off.

    Raises:
        CheckpointError: no such file, a damaged one, or one that holds more than tensors.
    """
    if path.is_dir():
        path = _file_of_folder(path)
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}", hint="name a .safetensors, .pt or .pth file")
    if path.name.endswith(".index.json"):
        return _read_shards(path)
    if path.suffix == ".safetensors":
        try:
            tensors = load_safetensors(path)
        except CheckpointError as error:
            raise CheckpointError(error.message, hint=_HINT) from error
    else:
        tensors = _tensors_of(_unwrapped(_load(path), path), path)
    if tensors and all(name.startswith(_PARALLEL_PREFIX) for name in tensors):
        return {name.removeprefix(_PARALLEL_PREFIX): tensor for name, tensor in tensors.items()}
    return tensors


def _file_of_folder(folder: Path) -> Path:
    found = next((folder / name for name in FOLDER_FILES if (folder / name).is_file()), None)
    if found is None:
        raise CheckpointError(
            f"folder {folder} holds no weights", hint=f"expected one of {', '.join(FOLDER_FILES)}"
        )
    return found


def _read_shards(index: Path) -> dict[str, Tensor]:
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted(set(names.values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{index} is no index of weight files: {error}", hint=_HINT) from error
    outside = [name for name in files if Path(name).name != name]
    if outside:
        raise CheckpointError(f"{index} names {outside[0]!r}, which is no file beside it", hint=_HINT)
    return {name: tensor for file in files for name, tensor in read_tensors(index.with_name(file)).items()}


def _load(path: Path) -> Any:
    """The content of a PyTorch file or of a pickle of numpy arrays."""
    try:
        if _is_torch(path):
            with torch.serialization.safe_globals(_NUMPY_GLOBALS), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about formats that torch will drop some day
                return torch.load(path, map_location="cpu", weights_only=True)
        with path.open("rb") as file:
            return _ArrayUnpickler(file).load()
    # A damaged pickle may fail in any way that its opcodes and numpy's constructors can.
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read as weights: {_reason(error)}", hint=_HINT) from error


_OLD_TORCH = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
"""How files of torch before 1.6 begin: a number, pickled on its own."""


def _is_torch(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(len(_OLD_TORCH))
    return zipfile.is_zipfile(path) or start == _OLD_TORCH


def _reason(error: Exception) -> str:
    text = str(error)
    if wanted := _WANTED_GLOBAL.search(text):
        name = wanted[1].rstrip(".,'\"")
        return f"it asks for {name}, which is no tensor, and code from a file is never run"
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


class _ArrayUnpickler(pickle.Unpickler):
    """Builds numpy arrays, plain containers and nothing else: every other name is refused."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")  # arrays that Python 2 pickled hold their bytes as text

    def find_class(self, module: str, name: str) -> Any:
        allowed = _ALLOWED.get(f"{module}.{name}")
        if allowed is None:
            raise pickle.UnpicklingError(f"global {module}.{name}")
        return allowed

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to data outside the file")


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """How older numpy pickles write bytes; any codec but this one is refused."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"codec {encoding}")
    return text.encode(encoding)


_RECONSTRUCT: Any = np.zeros(0).__reduce__()[0]
_SCALAR: Any = np.float32(0).__reduce__()[0]
_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "_codecs.encode": _encoded,
    **{f"numpy.{core}.multiarray._reconstruct": _RECONSTRUCT for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _SCALAR for core in ("core", "_core")},
}
_DTYPES = {type(np.dtype(name)) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "bool")}
_NUMPY_GLOBALS: list[Any] = [
    *((function, name) for name, function in _ALLOWED.items() if name.startswith(("numpy", "_codecs"))),
    *_DTYPES,
]


def _unwrapped(content: Any, path: Path) -> Mapping[Any, Any]:
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds {type(content).__name__}, not a state dict", hint="save the state dict alone"
        )
    return content


def _tensors_of(content: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    tensors = dict(_named_tensors(content))
    if not tensors:
        raise CheckpointError(f"{path} holds no tensor", hint=_HINT)
    return tensors


def _named_tensors(content: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    for name, value in content.items():
        if isinstance(value, Tensor):
            yield str(name), value.detach()
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            native = value.astype(value.dtype.newbyteorder("="), copy=False)
            yield str(name), torch.from_numpy(np.ascontiguousarray(native).reshape(value.shape).copy())
