from pathlib import Path

import pytest
import torch

from clipbug.errors import CheckpointError
from clipbug.runtime.tensors import load_tensors, save_tensors


def test_dtypes_and_bits_survive(tmp_path: Path) -> None:
    tensors = {
        "float": torch.randn(3, 4).t(),  # not contiguous
        "bfloat": torch.randn(5).bfloat16(),
        "count": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "another_empty": torch.empty(0),
    }
    save_tensors(tmp_path / "t.safetensors", tensors)
    loaded = load_tensors(tmp_path / "t.safetensors")
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


def test_tied_tensor_is_stored_once_and_has_both_names(tmp_path: Path) -> None:
    weight = torch.randn(200, 50)
    save_tensors(tmp_path / "t.safetensors", {"embedding": weight, "decoder": weight})
    assert (tmp_path / "t.safetensors").stat().st_size < 1.5 * weight.nbytes
    loaded = load_tensors(tmp_path / "t.safetensors")
    assert torch.equal(loaded["decoder"], weight)
    assert loaded["decoder"] is loaded["embedding"]


def test_views_of_one_memory_are_stored_each(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    views = {"all": base, "shaped": base.view(2, 3), "tail": base[2:]}
    save_tensors(tmp_path / "t.safetensors", views)
    loaded = load_tensors(tmp_path / "t.safetensors")
    assert all(torch.equal(loaded[name], view) for name, view in views.items())


@pytest.mark.parametrize("damage", ["cut", "text", "missing"])
def test_unreadable_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "model.safetensors"
    save_tensors(path, {"weight": torch.zeros(100)})
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:200] if damage == "cut" else b"no tensors here")
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_tensors(path)


def test_unwritable_place_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        save_tensors(tmp_path / "nowhere" / "model.safetensors", {"weight": torch.zeros(1)})
