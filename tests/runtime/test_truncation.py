"""Weight files that end too early say how much of them there is."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clipbug.errors import CheckpointError
from clipbug.models.weights.files import read_tensors
from clipbug.runtime.truncation import cut_off

STATE = {"bert.a": torch.arange(10_000.0), "bert.b": torch.zeros(50, dtype=torch.float16)}
NAMES = ("new.pt", "old.pt", "weights.safetensors", "arrays.pkl", "arrays2.pkl")


def write(path: Path) -> int:
    """Write the state in the form that the name tells; the number of bytes."""
    if path.suffix == ".pt":
        torch.save({"model": STATE, "epoch": 3}, path, _use_new_zipfile_serialization=path.stem == "new")
    elif path.suffix == ".safetensors":
        save_file(STATE, path)
    else:
        arrays = {name: tensor.numpy() for name, tensor in STATE.items()}
        path.write_bytes(pickle.dumps(arrays, protocol=2 if path.stem == "arrays2" else 4))
    return path.stat().st_size


@pytest.mark.parametrize("name", NAMES)
def test_whole_files(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    assert cut_off(tmp_path / name) is None
    assert list(read_tensors(tmp_path / name)) == list(STATE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.001, 0.01, 0.5, 0.9999])
def test_cut_files(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    size = write(path)
    kept = int(size * share)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError) as caught:
        read_tensors(path)
    assert "cut off" in caught.value.message
    assert str(kept) in caught.value.message
    assert "again" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("new.pt", "cut off: 20000 of at least"),  # the numbers of its tensors come first
        ("old.pt", "cut off: 20000 of {size} bytes"),
        ("weights.safetensors", "cut off: 20000 of {size} bytes"),
    ],
)
def test_the_whole_size_is_said_where_the_file_tells(tmp_path: Path, name: str, says: str) -> None:
    path = tmp_path / name
    size = write(path)
    path.write_bytes(path.read_bytes()[:20_000])
    assert says.format(size=size) in str(cut_off(path))


def test_no_code_of_a_cut_pickle_runs(tmp_path: Path) -> None:
    made = tmp_path / "made"
    path = tmp_path / "weights.pkl"
    path.write_bytes(
        b"\x80\x02cos\nmkdir\nq\x00X" + len(str(made)).to_bytes(4, "little") + str(made).encode() + b"\x85R"
    )
    with pytest.raises(CheckpointError):
        read_tensors(path)
    assert cut_off(path) is not None
    assert not made.exists()
