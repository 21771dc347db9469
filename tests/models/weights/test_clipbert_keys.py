"""Names of published checkpoints; golden/test_clipbert_model.py compares the whole list."""

from pathlib import Path

import pytest
import torch

from clipbug.errors import CheckpointError
from clipbug.models.backbones.resnet import ClipBertResNet
from clipbug.models.weights.clipbert_keys import rename_clipbert_key


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("cnn.feature.backbone.stem.conv1.norm.running_var", "visual.backbone.bn1.running_var"),
        ("cnn.feature.backbone.res2.0.shortcut.weight", "visual.backbone.layer1.0.downsample.0.weight"),
        ("cnn.feature.backbone.res5.2.conv3.norm.bias", "visual.backbone.layer4.2.bn3.bias"),
        ("cnn.grid_encoder.0.weight", "visual.grid_encoder.conv.weight"),
        ("transformer.bert.pooler.dense.bias", "bert.pooler.dense.bias"),
        ("transformer.cls.seq_relationship.weight", "head.seq_relationship.weight"),
        ("transformer.classifier.2.bias", "head.classifier.2.bias"),
        ("cnn.feature.roi_heads.box_head.fc1.weight", None),
        ("transformer.bert.visual_embeddings.position_embeddings.weight", None),
    ],
)
def test_names(theirs: str, ours: str | None) -> None:
    assert rename_clipbert_key(theirs) == ours


@pytest.mark.parametrize("key", ["bert.pooler.dense.bias", "cnn.feature.backbone.res6.0.conv1.weight"])
def test_foreign_names_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is not a tensor name"):
        rename_clipbert_key(key)


@pytest.mark.parametrize("prefix", ["", "backbone.", "cnn.feature.backbone."])
def test_backbone_file_under_any_prefix(tmp_path: Path, prefix: str) -> None:
    torch.manual_seed(0)
    source = ClipBertResNet()
    theirs = {detectron2_name(name): tensor for name, tensor in source.state_dict().items()}
    path = tmp_path / "backbone.pth"
    other_parts = {"proposal_generator.anchors": torch.zeros(3)}
    torch.save({"model": {**{prefix + name: tensor for name, tensor in theirs.items()}, **other_parts}}, path)
    loaded = ClipBertResNet(weights=str(path)).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in source.state_dict().items())


def detectron2_name(name: str) -> str:
    """The other direction, by replacements."""
    if not name.startswith("layer"):
        return name.replace("bn1", "stem.conv1.norm").replace("conv1.weight", "stem.conv1.weight")
    stage, rest = name.removeprefix("layer").split(".", 1)
    for ours, theirs in (("downsample.0", "shortcut"), ("downsample.1", "shortcut.norm")):
        rest = rest.replace(ours, theirs)
    for number in "123":
        rest = rest.replace(f"bn{number}.", f"conv{number}.norm.")
    return f"res{int(stage) + 1}.{rest}"


def test_a_file_without_backbone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.pth"
    torch.save({"classifier.weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"head\.pth"):
        ClipBertResNet(weights=str(path))
