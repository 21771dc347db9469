"""Tensors out of weight files of any origin, and nothing but tensors: no code runs from a file."""

import argparse
import json
import logging
import pathlib
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from clipbug.errors import CheckpointError
from clipbug.models.weights.importing import kind_of
from clipbug.models.weights.wrappers import other_state_dicts, outer_key, unwrapped
from clipbug.runtime.mistaken_files import find_mistake, refuse_mistaken
from clipbug.runtime.tensors import load_tensors as load_safetensors
from clipbug.runtime.truncation import OLD_TORCH_START, ZIP_START, cut_off

FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_HINT = "clipbug reads .safetensors files, and PyTorch files of tensors only: save the state dict"
_WANTED_GLOBAL = re.compile(r"(?:GLOBAL (\S+)|global (\S+?\.\S+))")
_TRUSTED = (
    "open it where you trust its origin, and save the state dict alone:"
    " torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW)"
)
_KEYS_SHOWN = 6
_OWN_PARTS = ("visual.", "bert.")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WeightFile:
    """The tensors of a file, and what training programs had put around them.

    Attributes:
        tensors: by name, without wrappers' names.
        removed: what was taken off: outer keys ("state_dict") and parts of names ("module._orig_mod.").
        not_used: keys or prefixes under which the file holds further state dicts, such as averages.
    """

    tensors: dict[str, Tensor]
    removed: tuple[str, ...] = ()
    not_used: tuple[str, ...] = ()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """As `read_weight_file`, the tensors alone; what was taken off their names is logged."""
    file = read_weight_file(path)
    if file.removed:
        logger.info("%s: taken off the names of its tensors: %s", path, ", ".join(file.removed))
    if file.not_used:
        logger.warning("%s also holds other weights, which are not used: %s", path, ", ".join(file.not_used))
    return file.tensors


def read_weight_file(path: Path) -> WeightFile:
    """All tensors of a weights file, by name.

    Args:
        path: a .safetensors file; a PyTorch file (of any age) that holds a state dict, also under a key that
            training scripts use (`wrappers.KEYS`); a plain pickle of numpy arrays, as detectron2's model zoo
            has them; the index of a checkpoint in several files; or a folder with one of `FOLDER_FILES`.
            Wrappers' names (`module.`, `_orig_mod.`) are taken off where all tensors of the model have them.

    Raises:
        CheckpointError: no such file, a damaged one, or one that holds more than tensors.
    """
    if path.is_dir():
        path = _file_of_folder(path)
    if not path.exists():
        raise CheckpointError(f"no weights file {path}", hint="name a .safetensors, .pt or .pth file")
    if not path.is_file():
        raise CheckpointError(f"{path} is no regular file", hint="name a .safetensors, .pt or .pth file")
    content, keys, others = _content(path)
    found = unwrapped(content, is_model=_is_model, source=str(path))
    return WeightFile(found.tensors, (*keys, *found.removed), (*others, *found.other_copies))


def _is_model(names: Collection[str]) -> bool:
    return any(name.startswith(_OWN_PARTS) for name in names) or kind_of(names) is not None


def _content(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...], tuple[str, ...]]:
    """(tensors by the names in the file, outer keys, keys of further state dicts)."""
    if path.name.endswith(".index.json"):
        return _read_shards(path), (), ()
    refuse_mistaken(path)  # whether other text is a pickle is found by reading it
    if path.suffix == ".safetensors":
        return load_safetensors(path), (), ()
    content = _load(path)
    keys: list[str] = []
    others: list[str] = []
    while isinstance(content, Mapping) and (key := outer_key(content)) is not None:
        others += other_state_dicts(content, key)
        keys.append(key)
        content = content[key]
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds {type(content).__name__}, not a state dict", hint="save the state dict alone"
        )
    return _tensors_of(content, path), tuple(keys), tuple(others)


def _file_of_folder(folder: Path) -> Path:
    found = next((folder / name for name in FOLDER_FILES if (folder / name).is_file()), None)
    if found is None:
        raise CheckpointError(
            f"folder {folder} holds no weights", hint=f"expected one of {', '.join(FOLDER_FILES)}"
        )
    return found


def _read_shards(index: Path) -> dict[str, Tensor]:
    refuse_mistaken(index)
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted(set(names.values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{index} is no index of weight files: {error}", hint=_HINT) from error
    outside = [name for name in files if Path(name).name != name]
    if outside:
        raise CheckpointError(f"{index} names {outside[0]!r}, which is no file beside it", hint=_HINT)
    lacking = [name for name in files if not index.with_name(name).is_file()]
    if lacking:
        raise CheckpointError(
            f"{len(lacking)} of the {len(files)} files that {index} names are not there: {lacking[0]} ...",
            hint="download all files of the checkpoint into one folder",
        )
    tensors = {name: tensor for file in files for name, tensor in _content(index.with_name(file))[0].items()}
    missing = [name for name in names if name not in tensors]
    if missing:
        raise CheckpointError(
            f"{index} names {missing[0]}, which {names[missing[0]]} does not hold ({len(missing)} in all)",
            hint="download all files of the checkpoint again, from one version of it",
        )
    return tensors


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
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    """What is wrong with a file: cut off, a program instead of weights, or whatever its reader says."""
    missing = cut_off(path)
    if missing is not None:
        return CheckpointError(f"{path} is {missing}", hint="download or copy the file again")
    if zipfile.is_zipfile(path) and not isinstance(error, MemoryError):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.endswith("constants.pkl") for name in names):
            return CheckpointError(
                f"{path} is a TorchScript program, not a state dict",
                hint="save its weights: torch.save(torch.jit.load(FILE).state_dict(), NEW)",
            )
        if not any(name.endswith("data.pkl") for name in names):
            some = ", ".join(names[:3])
            return CheckpointError(
                f"{path} is a zip archive of other files ({some}), not a PyTorch file",
                hint="unpack it, and name the file with the weights in it",
            )
    wants_code = _WANTED_GLOBAL.search(str(error)) is not None
    mistake = None if wants_code else find_mistake(path, is_text=False)
    if mistake is not None:
        return CheckpointError(f"{path} cannot be read as weights: it is {mistake.what}", hint=mistake.hint)
    return CheckpointError(
        f"{path} cannot be read as weights: {_reason(error)}", hint=_TRUSTED if wants_code else _HINT
    )


def _is_torch(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(len(OLD_TORCH_START))
    return start == OLD_TORCH_START or start.startswith(ZIP_START) or zipfile.is_zipfile(path)


def _reason(error: Exception) -> str:
    text = str(error)
    if wanted := _WANTED_GLOBAL.search(text):
        name = (wanted[1] or wanted[2]).rstrip(".,'\"")
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
    # What training scripts keep beside the weights: settings and paths, of inert types.
    argparse.Namespace,
    *(defaultdict, datetime, date, timedelta, int, float, str, list, dict, tuple, set),
    *(
        (pathlib.PurePosixPath, f"{module}.{kind}Path")
        for module in ("pathlib", "pathlib._local")
        for kind in ("Posix", "PurePosix", "Windows", "PureWindows")
    ),
]


def _tensors_of(content: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    tensors = dict(_named_tensors(content))
    if not tensors:
        keys = ", ".join(map(str, list(content)[:_KEYS_SHOWN])) or "none"
        raise CheckpointError(f"{path} holds no tensor under its keys: {keys}", hint=_HINT)
    return tensors


def _named_tensors(content: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    for name, value in content.items():
        if isinstance(value, Tensor):
            yield str(name), value.detach()
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            native = value.astype(value.dtype.newbyteorder("="), copy=False)
            yield str(name), torch.from_numpy(np.ascontiguousarray(native).reshape(value.shape).copy())
