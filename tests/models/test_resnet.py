"""ResNet backbones: weights from files, normalisation, errors."""

from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18
from torchvision.models._utils import IntermediateLayerGetter

from clipbug.errors import CheckpointError
from clipbug.models.backbones.resnet import ClipBertResNet, ResNetBackbone
from tests.helpers.rounding import assert_close, num_terms


@pytest.fixture(scope="module")
def torchvision_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(resnet18().state_dict(), path)
    return path


@pytest.mark.parametrize("frozen_batch_norm", [False, True])
def test_a_torchvision_file_gives_torchvision_features(
    torchvision_file: Path, frozen_batch_norm: bool
) -> None:
    net = resnet18()
    net.load_state_dict(torch.load(torchvision_file, weights_only=True))
    features = IntermediateLayerGetter(net.eval(), {"layer4": "out"})
    frames = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    ours = ResNetBackbone("resnet18", weights=str(torchvision_file), frozen_batch_norm=frozen_batch_norm)
    with torch.inference_mode():
        expected = features((frames - mean.view(3, 1, 1)) / std.view(3, 1, 1))["out"]
        assert_close(ours.eval()(frames * 255), expected, terms=num_terms(ours))


def test_clipbert_reads_colours_backwards() -> None:
    frames = torch.zeros(1, 3, 1, 1) + torch.tensor([200.0, 100.0, 50.0]).view(3, 1, 1)
    seen = ClipBertResNet().normalise(frames).flatten()
    torch.testing.assert_close(seen, torch.tensor([50 - 103.53, 100 - 116.28, 200 - 123.675]))


def test_clipbert_strides_stand_in_the_first_convolution() -> None:
    net = ClipBertResNet()
    strides = {
        name: module.stride
        for name, module in net.named_modules()
        if isinstance(module, torch.nn.Conv2d) and module.stride != (1, 1)
    }
    places = [f"layer{number}.0.{part}" for number in (2, 3, 4) for part in ("conv1", "downsample.0")]
    assert strides == dict.fromkeys(["conv1", *places], (2, 2))


def test_unknown_weights_name_lists_what_exists() -> None:
    with pytest.raises(CheckpointError, match="'IMAGENET9K'") as caught:
        ResNetBackbone("resnet18", weights="IMAGENET9K")
    assert "IMAGENET1K_V1" in caught.value.hint


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.pth"):
        ResNetBackbone("resnet18", weights=str(tmp_path / "none.pth"))


def test_weights_of_another_architecture_are_refused(torchvision_file: Path) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        ResNetBackbone("resnet50", weights=str(torchvision_file))


def test_failed_download_says_where_the_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="no route to host") as caught:
        ResNetBackbone("resnet18", weights="IMAGENET1K_V1")
    assert "https://" in caught.value.hint


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="alexnet"):
        ResNetBackbone("alexnet")
