from pathlib import Path

import pytest
import torch

from clipbug.errors import CheckpointError
from clipbug.runtime.tensors import load_tensors, refuse_values, save_tensors


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


@pytest.mark.parametrize(
    ("tensor", "dtype", "says"),
    [
        (torch.tensor([1.0, float("nan")]), None, "1 values are NaN and 0 infinite, of 2"),
        (torch.tensor([float("-inf")] * 2), torch.float32, "0 values are NaN and 2 infinite, of 2"),
        (torch.tensor([float("nan")]).bfloat16(), None, "1 values are NaN"),
        (torch.tensor([7e4]), torch.float16, "it contains 7e+04, beyond the float16 limit of 6.55e+04"),
        (
            torch.tensor([-1e300], dtype=torch.float64),
            torch.float32,
            "it contains -1e+300, beyond the float32 limit",
        ),
        (torch.tensor([3], dtype=torch.int8), torch.float32, "it is of type int8"),
        (torch.zeros(2).to(torch.float8_e4m3fn), torch.float32, "it is of type float8_e4m3fn"),
        (torch.zeros(2, dtype=torch.complex64), torch.float32, "it is of type complex64"),
        (torch.zeros(2, device="meta"), torch.float32, "it has no data"),
    ],
)
def test_values_that_cannot_be_computed_with_are_named(
    tensor: torch.Tensor, dtype: torch.dtype | None, says: str
) -> None:
    dtypes = {} if dtype is None else {"bad": dtype}
    with pytest.raises(CheckpointError) as caught:
        refuse_values({"good": torch.zeros(3), "bad": tensor}, source="a.pt", dtypes=dtypes)
    assert caught.value.message.startswith(f"1 of 2 tensors in a.pt cannot be used: bad: {says}")


def test_values_that_are_right() -> None:
    tensors = {"half": torch.tensor([6e4]).half(), "count": torch.tensor(3), "none": torch.zeros(0)}
    refuse_values(tensors, source="a.pt", dtypes={"half": torch.float32, "count": torch.int64})
