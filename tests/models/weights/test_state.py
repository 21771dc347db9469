"""Saving and loading of weights: exact, strict, and clear about what does not fit."""

import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from clipbug.errors import CheckpointError
from clipbug.models.clipbert import ClipBert
from clipbug.models.weights.files import read_tensors
from clipbug.models.weights.state import load_tensors, load_weights
from clipbug.runtime.tensors import save_tensors
from tests.models.conftest import BuildTiny

DECODER = "head.predictions.decoder.weight"
WORDS = "bert.embeddings.word_embeddings.weight"


def same_state(first: ClipBert, second: ClipBert) -> bool:
    others = second.state_dict()
    return all(torch.equal(tensor, others[name]) for name, tensor in first.state_dict().items())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("head", ["classification", "pretraining"])
def test_round_trip(build_tiny: BuildTiny, file: Path, head: str) -> None:
    model, other = build_tiny(head, seed=1), build_tiny(head, seed=2)
    assert not same_state(model, other)
    save_tensors(file, model.state_dict())
    report = load_weights(other, file)
    assert same_state(model, other)
    assert (report.missing, report.unexpected, report.mismatched) == ((), (), ())


def test_shared_tensors_are_stored_once_and_stay_shared(build_tiny: BuildTiny, file: Path) -> None:
    model = build_tiny("pretraining")
    save_tensors(file, model.state_dict())
    assert len({WORDS, DECODER} & load_file(file).keys()) == 1
    load_weights(model, file)
    assert model.state_dict()[WORDS].data_ptr() == model.state_dict()[DECODER].data_ptr()


def test_shared_tensors_load_under_either_name(build_tiny: BuildTiny) -> None:
    model, other = build_tiny("pretraining", seed=1), build_tiny("pretraining", seed=2)
    tensors = {name: tensor for name, tensor in model.state_dict().items() if name != WORDS}
    load_tensors(other, tensors, source="a test")
    assert same_state(model, other)


def test_missing_tensor_is_named_and_changes_nothing(build_tiny: BuildTiny) -> None:
    model, untouched = build_tiny(seed=1), build_tiny(seed=1)
    tensors = build_tiny(seed=2).state_dict()
    del tensors["bert.pooler.dense.bias"]
    with pytest.raises(CheckpointError, match=r"1 missing: bert\.pooler\.dense\.bias") as caught:
        load_tensors(model, tensors, source="weights of a test")
    assert "weights of a test" in str(caught.value)
    assert same_state(model, untouched)


def test_unexpected_and_mismatched_tensors_are_named(build_tiny: BuildTiny) -> None:
    model = build_tiny()
    tensors = {**model.state_dict(), "head.extra": torch.zeros(1), "head.classifier.2.bias": torch.zeros(9)}
    with pytest.raises(CheckpointError, match=r"head\.extra.*head\.classifier\.2\.bias \(9,\) for \(5,\)"):
        load_tensors(model, tensors, source="a test")


def test_a_new_head_on_old_weights(build_tiny: BuildTiny) -> None:
    pretrained, model = build_tiny("pretraining", seed=1), build_tiny(seed=2)
    head = model.head.state_dict()
    patterns = ["head.*"]
    report = load_tensors(
        model, pretrained.state_dict(), source="a test", allow_missing=patterns, allow_unexpected=patterns
    )
    assert same_state(pretrained.bert, model.bert)  # type: ignore[arg-type]
    assert all(torch.equal(tensor, model.head.state_dict()[name]) for name, tensor in head.items())
    assert all(name.startswith("head.classifier.") for name in report.missing)
    assert DECODER in report.unexpected


def test_other_number_of_classes_is_allowed_where_said(build_tiny: BuildTiny) -> None:
    model, tensors = build_tiny(), build_tiny(seed=1).state_dict()
    tensors["head.classifier.2.weight"] = torch.zeros(7, 32)
    report = load_tensors(model, tensors, source="a test", allow_missing=["head.classifier.2.*"])
    assert report.mismatched == ("head.classifier.2.weight (7, 32) for (5, 32)",)


def test_nothing_in_common_is_an_error_even_where_all_is_allowed(build_tiny: BuildTiny) -> None:
    with pytest.raises(CheckpointError, match="0 tensors"):
        load_tensors(
            build_tiny(), {"a": torch.zeros(1)}, source="a test", allow_missing=["*"], allow_unexpected=["*"]
        )


@pytest.mark.parametrize("key", [None, "model", "state_dict"])
def test_pytorch_files(tmp_path: Path, key: str | None) -> None:
    tensors = {"a": torch.arange(3.0), "b.c": torch.ones(2, 2)}
    path = tmp_path / "weights.pth"
    torch.save(tensors if key is None else {key: tensors, "epoch": 3}, path)
    read = read_tensors(path)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


class Harmful:
    """Makes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_no_code_runs_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"a": Harmful(tmp_path / "made")}, path)
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        read_tensors(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", None])
def test_unreadable_files_are_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=re.escape(str(path))) as caught:
        read_tensors(path)
    assert caught.value.hint


def test_truncated_weights_are_refused(build_tiny: BuildTiny, file: Path) -> None:
    save_tensors(file, build_tiny().state_dict())
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=re.escape(str(file))):
        load_weights(build_tiny(), file)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "list.pt"
    torch.save([torch.zeros(1)], path)
    with pytest.raises(CheckpointError, match="list"):
        read_tensors(path)


def test_memory_layout_is_the_model_s(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, other = (nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last) for _ in range(2))
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()}, tmp_path / "w.safetensors"
    )
    load_weights(other, tmp_path / "w.safetensors")
    assert other.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(model.weight, other.weight)
    save_tensors(tmp_path / "again.safetensors", other.state_dict())
    assert torch.equal(load_file(tmp_path / "again.safetensors")["weight"], model.weight)
