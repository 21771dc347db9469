"""Kinds of checkpoints by their names, and our names for theirs."""

import json
from pathlib import Path

import pytest
import torch

from clipbug.errors import CheckpointError
from clipbug.models.weights.clipbert_keys import clipbert_key, rename_clipbert_key
from clipbug.models.weights.importing import foreign_weights, kind_of
from clipbug.models.weights.sizes import encoder_sizes, resnet_architecture
from tests.helpers.golden_checkpoint import original_checkpoint

KEYS = json.loads((Path(__file__).parents[2] / "golden" / "model" / "keys.json").read_text())
NUMBER = torch.zeros(1)


@pytest.mark.parametrize("head", list(KEYS))
def test_names_go_there_and_back(head: str) -> None:
    for key in KEYS[head]:
        ours = rename_clipbert_key(key)
        assert ours is None or clipbert_key(ours) == key


@pytest.mark.parametrize(
    "name", ["visual.backbone.stages.0.weight", "other", "visual.backbone.layer9.0.bn1.bias"]
)
def test_what_the_original_lacks_has_no_name_there(name: str) -> None:
    assert clipbert_key(name) is None


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["transformer.bert.pooler.dense.bias"], "clipbert"),
        (["cnn.grid_encoder.0.weight"], "clipbert"),
        (["backbone.res2.0.conv1.weight", "roi_heads.box_head.fc1.weight"], "detectron2"),
        (["backbone.bottom_up.res2.0.conv1.weight"], "detectron2"),
        (["stem.conv1.weight"], "detectron2"),
        (["bert.embeddings.word_embeddings.weight"], "bert"),
        (["embeddings.word_embeddings.weight", "pooler.dense.bias"], "bert"),
        (["conv1.weight", "layer1.0.conv1.weight", "fc.weight"], "torchvision"),
        (["weight"], None),
        ([], None),
    ],
)
def test_kinds(names: list[str], kind: str | None) -> None:
    assert kind_of(names) == kind


def test_names_that_nobody_writes_are_told_apart_from_those_of_no_use() -> None:
    names = ["backbone.res2.0.conv1.weight", "pixel_mean", "backbone.res9.0.conv1.weight", "ema.decay"]
    weights = foreign_weights(dict.fromkeys(names, NUMBER), source="a test")
    assert list(weights.tensors) == ["visual.backbone.layer1.0.conv1.weight"]
    assert list(weights.unused) == names[1:]
    assert weights.unknown == ("backbone.res9.0.conv1.weight", "ema.decay")
    assert weights.names == tuple(names)


def test_one_tensor_under_two_names_is_refused() -> None:
    names = ["bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.weight"]
    with pytest.raises(CheckpointError, match=r"contains bert\.embeddings\.LayerNorm\.weight twice"):
        foreign_weights(dict.fromkeys(names, NUMBER), source="a test")


def test_an_unknown_kind_shows_its_names() -> None:
    with pytest.raises(CheckpointError, match=r"blocks\.0\.attn") as caught:
        foreign_weights({"blocks.0.attn": NUMBER}, source="vit.pth")
    assert "known kinds: ClipBERT" in caught.value.hint


def test_sizes_are_read_off_the_tensors() -> None:
    weights = foreign_weights(original_checkpoint(), source="a test").tensors
    sizes = {"hidden_size": 96, "num_layers": 3, "intermediate_size": 192, "vocabulary_size": 512}
    assert encoder_sizes(weights) == {**sizes, "max_position_embeddings": 512}  # no number of heads: 96 / 64
    assert encoder_sizes({}) == {}
    assert resnet_architecture(name for name in weights if name.startswith("visual.")) == "resnet50"


def test_other_resnets_are_refused() -> None:
    with pytest.raises(CheckpointError, match="1, 0, 0, 0 blocks"):
        resnet_architecture(["visual.backbone.layer1.0.conv1.weight"])
