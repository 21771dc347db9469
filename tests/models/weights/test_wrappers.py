"""Names that training programs put around a model's are taken off, whatever their order and number."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clipbug.errors import CheckpointError
from clipbug.models.weights.files import WeightFile, read_weight_file

BERT = {
    "bert.embeddings.word_embeddings.weight": torch.zeros(4, 2),
    "bert.encoder.layer.0.output.dense.weight": torch.ones(2, 2),
    "cls.predictions.bias": torch.ones(4),
}
RESNET = {"conv1.weight": torch.zeros(2, 3, 1, 1), "layer1.0.conv1.weight": torch.ones(2, 2, 1, 1)}
CLIPBERT = {
    "cnn.grid_encoder.0.weight": torch.zeros(2, 2),
    "transformer.bert.pooler.dense.bias": torch.ones(2),
}
OURS = {"visual.backbone.conv1.weight": torch.zeros(2), "head.classifier.0.bias": torch.ones(2)}


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


def read(tmp_path: Path, content: Any) -> WeightFile:
    torch.save(content, tmp_path / "weights.pt")
    return read_weight_file(tmp_path / "weights.pt")


@pytest.mark.parametrize("state", [BERT, RESNET, CLIPBERT, OURS], ids=["bert", "resnet", "clipbert", "ours"])
@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "model.", "net.", "ema.", "ema_model.", "_forward_module."),
        *("module._orig_mod.", "_orig_mod.module.", "model.module._orig_mod.", "module.module.model.net."),
        *("ema_model.module.", "_fsdp_wrapped_module._orig_mod."),
        *("vqa_model.", "model.clip_bert.", "trainer.student."),  # an attribute of somebody's own
    ],
)
def test_prefixes(tmp_path: Path, prefix: str, state: Mapping[str, Tensor]) -> None:
    file = read(tmp_path, prefixed(prefix, state))
    assert list(file.tensors) == list(state)
    assert file.removed == (prefix,)


def test_nothing_is_taken_off_without_wrappers(tmp_path: Path) -> None:
    file = read(tmp_path, BERT)
    assert (list(file.tensors), file.removed, file.not_used) == (list(BERT), (), ())


@pytest.mark.parametrize(
    ("content", "removed", "not_used"),
    [
        (
            {"state_dict": prefixed("model.", BERT), "epoch": 3, "global_step": 5},
            ("state_dict", "model."),
            (),
        ),
        ({"model": BERT, "optimizer": {"state": {}}, "epoch": 1}, ("model",), ()),
        (
            {"module": prefixed("module.", BERT), "ds_config": {"a": 1}, "lr_scheduler": None},
            ("module", "module."),
            (),
        ),
        ({"net": BERT, "acc": 0.5}, ("net",), ()),
        ({"ema": BERT, "step": torch.tensor(4)}, ("ema",), ()),
        ({"model": BERT, "model_ema": BERT}, ("model",), ("model_ema",)),
        ({"state_dict": BERT, "state_dict_ema": BERT}, ("state_dict",), ("state_dict_ema",)),
        ({"state_dict": {"model": BERT}}, ("state_dict", "model"), ()),
    ],
)
def test_other_keys(
    tmp_path: Path, content: Any, removed: tuple[str, ...], not_used: tuple[str, ...]
) -> None:
    file = read(tmp_path, content)
    assert list(file.tensors) == list(BERT)
    assert (file.removed, file.not_used) == (removed, not_used)


def test_tensors_beside_the_model_keep_their_names(tmp_path: Path) -> None:
    others = {"n_averaged": torch.tensor(5), "criterion.weight": torch.ones(3)}
    file = read(tmp_path, {**others, **prefixed("module.", BERT)})
    assert list(file.tensors) == [*others, *BERT]
    assert file.removed == ("module.",)


def test_an_average_beside_the_model_is_not_used_and_named(tmp_path: Path) -> None:
    average = {name: tensor + 9 for name, tensor in prefixed("ema_model.", BERT).items()}
    file = read(tmp_path, {**average, **prefixed("model.", BERT)})
    assert file.not_used == ("ema_model.",)
    for name, tensor in BERT.items():
        assert torch.equal(file.tensors[name], tensor)


def test_wrappers_inside_of_names(tmp_path: Path) -> None:
    state = {
        "module.bert._orig_mod.embeddings.word_embeddings.weight": torch.zeros(4, 2),
        "module.bert.encoder.layer.0._checkpoint_wrapped_module.output.dense.weight": torch.ones(2, 2),
    }
    file = read(tmp_path, state)
    assert list(file.tensors) == list(BERT)[:2]
    assert file.removed == ("module._orig_mod.", "module._checkpoint_wrapped_module.")


@pytest.mark.parametrize(
    "state",
    [
        {**BERT, **prefixed("module.", BERT)},
        {next(iter(BERT)): torch.zeros(1), f"module.{list(BERT)[1]}": torch.zeros(1)},
        {"bert.pooler._orig_mod.dense.bias": torch.zeros(1), "bert.pooler.dense.bias": torch.zeros(1)},
    ],
)
def test_a_mixture_is_refused(tmp_path: Path, state: Mapping[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"under different prefixes|twice"):
        read(tmp_path, state)
