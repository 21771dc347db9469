"""Read tensors from weight files of any origin, and nothing else: no code from a file is ever run."""

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
_REQUESTED_GLOBAL = re.compile(r"(?:GLOBAL (\S+)|global (\S+?\.\S+))")
_TRUSTED = (
    "if you trust its origin, open it and save only the state dict:"
    " torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW)"
)
_KEYS_SHOWN = 6
_CLIPBUG_PREFIXES = ("visual.", "bert.")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WeightFile:
    """Tensors of a file, without the wrappers of training frameworks.

    Attributes:
        tensors: By name, without wrapper prefixes.
        removed: What was removed: outer keys ("state_dict") and prefixes ("module._orig_mod.").
        not_used: Keys or prefixes of further state dicts in the file, such as averages.
    """

    tensors: dict[str, Tensor]
    removed: tuple[str, ...] = ()
    not_used: tuple[str, ...] = ()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file like `read_weight_file`; log what was removed from their names."""
    file = read_weight_file(path)
    if file.removed:
        logger.info("%s: removed from tensor names: %s", path, ", ".join(file.removed))
    if file.not_used:
        logger.warning(
            "%s also contains other weights, which are not used: %s", path, ", ".join(file.not_used)
        )
    return file.tensors


def read_weight_file(path: Path) -> WeightFile:
    """Read all tensors of a weights file, by name.

    Args:
        path: A .safetensors file; a PyTorch file (of any version) with a state dict, possibly under a key
            that training scripts use (`wrappers.KEYS`); a plain pickle of numpy arrays, as in detectron2's
            model zoo; the index of a sharded checkpoint; or a folder with one of `FOLDER_FILES`. Wrapper
            prefixes (`module.`, `_orig_mod.`) are removed where all tensors of the model have them.

    Returns:
        The tensors.

    Raises:
        CheckpointError: The file does not exist, is damaged, or contains more than tensors.
    """
    if path.is_dir():
        path = _file_of_folder(path)
    if not path.exists():
        raise CheckpointError(
            f"there is no weights file {path}", hint="give a .safetensors, .pt or .pth file"
        )
    if not path.is_file():
        raise CheckpointError(f"{path} is not a regular file", hint="give a .safetensors, .pt or .pth file")
    content, keys, others = _content(path)
    found = unwrapped(content, is_model=_is_model, source=str(path))
    return WeightFile(found.tensors, (*keys, *found.removed), (*others, *found.other_copies))


def _is_model(names: Collection[str]) -> bool:
    return any(name.startswith(_CLIPBUG_PREFIXES) for name in names) or kind_of(names) is not None


def _content(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...], tuple[str, ...]]:
    """Return (tensors by their names in the file, outer keys, keys of further state dicts)."""
    if path.name.endswith(".index.json"):
        return _read_shards(path), (), ()
    refuse_mistaken(path)  # any other text may be a pickle, which only reading it can tell
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
            f"{path} contains {type(content).__name__}, not a state dict", hint="save only the state dict"
        )
    return _tensors_of(content, path), tuple(keys), tuple(others)


def _file_of_folder(folder: Path) -> Path:
    found = next((folder / name for name in FOLDER_FILES if (folder / name).is_file()), None)
    if found is None:
        raise CheckpointError(
            f"folder {folder} contains no weights", hint=f"expected one of {', '.join(FOLDER_FILES)}"
        )
    return found


def _read_shards(index: Path) -> dict[str, Tensor]:
    refuse_mistaken(index)
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted(set(names.values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{index} is not a valid index of weight files: {error}", hint=_HINT) from error
    outside = [name for name in files if Path(name).name != name]
    if outside:
        raise CheckpointError(
            f"{index} lists {outside[0]!r}, which is not a file in the same folder", hint=_HINT
        )
    absent = [name for name in files if not index.with_name(name).is_file()]
    if absent:
        raise CheckpointError(
            f"{len(absent)} of the {len(files)} files listed in {index} are missing: {absent[0]} ...",
            hint="download all files of the checkpoint into one folder",
        )
    tensors = {name: tensor for file in files for name, tensor in _content(index.with_name(file))[0].items()}
    missing = [name for name in names if name not in tensors]
    if missing:
        raise CheckpointError(
            f"{index} lists {missing[0]}, which {names[missing[0]]} does not contain ({len(missing)} in all)",
            hint="download all files of the checkpoint again, from a single version",
        )
    return tensors


def _load(path: Path) -> Any:
    """Load a PyTorch file or a pickle of numpy arrays."""
    try:
        if _is_torch(path):
            with torch.serialization.safe_globals(_NUMPY_GLOBALS), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecation warnings about old formats
                return torch.load(path, map_location="cpu", weights_only=True)
        with path.open("rb") as file:
            return _ArrayUnpickler(file).load()
    # A damaged pickle may raise any error that its opcodes and numpy's constructors can.
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    """Return an error that explains why a file is unreadable: cut off, a program, or the reader's reason."""
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
                hint="unpack it and give the file with the weights",
            )
    wants_code = _REQUESTED_GLOBAL.search(str(error)) is not None
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
    if wanted := _REQUESTED_GLOBAL.search(text):
        name = (wanted[1] or wanted[2]).rstrip(".,'\"")
        return f"it requires {name}, which is not a tensor, and code from a file is never run"
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


class _ArrayUnpickler(pickle.Unpickler):
    """Builds numpy arrays and plain containers; every other name is rejected."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")  # Python 2 pickled the bytes of arrays as text

    def find_class(self, module: str, name: str) -> Any:
        allowed = _ALLOWED.get(f"{module}.{name}")
        if allowed is None:
            raise pickle.UnpicklingError(f"global {module}.{name}")
        return allowed

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to data outside the file")


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """Decode bytes from old numpy pickles; any codec but this one is rejected."""
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
    # Training scripts store settings and paths with the weights; these types are inert.
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
        raise CheckpointError(f"{path} contains no tensors; its keys are: {keys}", hint=_HINT)
    return tensors


def _named_tensors(content: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    for name, value in content.items():
        if isinstance(value, Tensor):
            yield str(name), value.detach()
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            native = value.astype(value.dtype.newbyteorder("="), copy=False)
            yield str(name), torch.from_numpy(np.ascontiguousarray(native).reshape(value.shape).copy())
