"""Files of other programs: every kind that occurs is read, and no code runs from any."""

import json
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from clipbug.errors import CheckpointError
from clipbug.models.weights.files import read_tensors

NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)
# What Python 2 and an old numpy wrote for {"model": {"a": array([[0., 1., 2.], [3., 4., 5.]], float32)}}.
OF_PYTHON_2 = (
    b"\x80\x02}q\x00U\x05modelq\x01}q\x02U\x01aq\x03cnumpy.core.multiarray\n_reconstruct\nq\x04cnumpy\nndarray\n"
    b"q\x05K\x00\x85q\x06U\x01bq\x07\x87q\x08Rq\t(K\x01K\x02K\x03\x86q\ncnumpy\ndtype\nq\x0bU\x02f4q\x0cK\x00K\x01"
    b"\x87q\rRq\x0e(K\x03U\x01<q\x0fNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x10b\x89U\x18"
    + NUMBERS.tobytes()
    + b"q\x11tq\x12bss."
)


class Harmful:
    """Makes a folder when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def assert_read(path: Path) -> None:
    tensors = read_tensors(path)
    assert list(tensors) == ["a"]
    assert tensors["a"].dtype == torch.float32
    assert tensors["a"].tolist() == NUMBERS.tolist()


@pytest.mark.parametrize("wrapper", ["", "model", "state_dict", "model_state_dict"])
@pytest.mark.parametrize("zipped", [True, False], ids=["new format", "old format"])
@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_torch_files(tmp_path: Path, wrapper: str, zipped: bool, kind: str) -> None:
    state = OrderedDict(a=NUMBERS if kind == "array" else torch.from_numpy(NUMBERS))
    path = tmp_path / "weights.pth"
    content = {wrapper: state, "iteration": 3, "optimizer": {"state": {}}} if wrapper else state
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert_read(path)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickles_of_arrays(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps({"model": {"a": NUMBERS}, "__author__": "someone"}, protocol=protocol))
    assert_read(path)


def test_a_pickle_of_python_2(tmp_path: Path) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(OF_PYTHON_2)
    assert_read(path)


def test_numbers_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "weights.pkl"
    arrays = {"scalar": np.float64(3.0), "whole": np.array(7), "swapped": NUMBERS.astype(">f4"), "text": "x"}
    path.write_bytes(pickle.dumps(arrays))
    tensors = read_tensors(path)
    assert tensors["whole"].item() == 7
    assert tensors["swapped"].tolist() == NUMBERS.tolist()
    assert "text" not in tensors


def test_module_prefix_is_taken_off(tmp_path: Path) -> None:
    torch.save({"module.a": torch.from_numpy(NUMBERS)}, tmp_path / "weights.pt")
    assert_read(tmp_path / "weights.pt")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_folders(tmp_path: Path, name: str) -> None:
    tensor = torch.from_numpy(NUMBERS)
    if name.endswith(".bin"):
        torch.save({"a": tensor}, tmp_path / name)
    else:
        save_file({"a": tensor}, tmp_path / name)
    assert_read(tmp_path)


def test_files_in_parts(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": torch.ones(1)}, tmp_path / "model-00002-of-00002.safetensors")
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": parts}))
    for place in (index, tmp_path):
        assert {name: tensor.item() for name, tensor in read_tensors(place).items()} == {"a": 0.0, "b": 1.0}
    index.write_text(json.dumps({"weight_map": {"a": "../../somewhere.safetensors"}}))
    with pytest.raises(CheckpointError, match="not a file in the same folder"):
        read_tensors(index)


@pytest.mark.parametrize("how", ["pickle", "old torch", "torch"])
def test_no_code_runs_from_a_file(tmp_path: Path, how: str) -> None:
    path, made = tmp_path / "weights.pkl", tmp_path / "made"
    content = {"model": {"a": Harmful(made)}}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(
        CheckpointError, match=r"requires \w+\.mkdir, .* code from a file is never run"
    ) as caught:
        read_tensors(path)
    assert caught.value.hint
    assert not made.exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"cnumpy\nndarray.__class__\n.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
    ],
)
def test_handmade_pickles_are_refused(tmp_path: Path, code: bytes) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(code)
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        read_tensors(path)


@pytest.mark.parametrize("content", [b"", b"not weights", OF_PYTHON_2[:60], pickle.dumps({"a": "text"})])
def test_what_holds_no_tensors_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights\.pkl") as caught:
        read_tensors(path)
    assert caught.value.hint


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="contains no weights") as caught:
        read_tensors(tmp_path)
    assert "model.safetensors" in caught.value.hint
