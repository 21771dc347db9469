"""What every backbone promises, whatever it is made of."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from clipbug.config.model import BackboneConfig, ClipBertResNetConfig, ResNetConfig, SmallConvConfig
from clipbug.models.backbones.base import VisualBackbone
from clipbug.models.build import build_backbone
from tests.helpers.rounding import assert_close, excess, num_terms

CONFIGS: dict[str, BackboneConfig] = {
    "resnet18": ResNetConfig(architecture="resnet18"),
    "resnet50 with batch norm": ResNetConfig(frozen_batch_norm=False, frozen_stages=2),
    "clipbert": ClipBertResNetConfig(),
    "clipbert frozen": ClipBertResNetConfig(frozen_stages=5),
    "small": SmallConvConfig(),
    "small and deep": SmallConvConfig(widths=(8, 16), blocks=2),
}


# Most of these laws do not depend on depth: every day two networks and an odd size, the others with -m slow.
FAST = ("resnet18", "small", "small and deep")


@pytest.fixture(
    scope="module",
    params=[name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CONFIGS],
)
def backbone(request: pytest.FixtureRequest) -> VisualBackbone:
    torch.manual_seed(0)
    return build_backbone(CONFIGS[request.param])


@pytest.fixture(
    params=[
        pytest.param((64, 96), id="(64, 96)", marks=pytest.mark.slow),
        pytest.param((70, 33), id="(70, 33)"),
        pytest.param((127, 65), id="(127, 65)", marks=pytest.mark.slow),
    ]
)
def frames(request: pytest.FixtureRequest) -> Tensor:
    height, width = request.param
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1)) * 255


def test_shape_law(backbone: VisualBackbone, frames: Tensor) -> None:
    height, width = (-(-side // backbone.stride) for side in frames.shape[-2:])
    with torch.inference_mode():
        assert backbone.eval()(frames).shape == (2, backbone.out_channels, height, width)


def test_evaluation_is_deterministic_and_leaves_its_input_alone(
    backbone: VisualBackbone, frames: Tensor
) -> None:
    before = frames.clone()
    with torch.inference_mode():
        first, second = backbone.eval()(frames), backbone(frames)
    assert torch.equal(first, second)
    assert torch.equal(frames, before)


def test_frames_do_not_see_each_other_in_evaluation(backbone: VisualBackbone, frames: Tensor) -> None:
    with torch.inference_mode():
        together, alone = backbone.eval()(frames), backbone(frames[1:])
    assert_close(together[1:], alone, terms=num_terms(backbone))
    assert excess(together[:1], alone, terms=num_terms(backbone)) > 100


def test_pictures_matter_at_random_weights(backbone: VisualBackbone, frames: Tensor) -> None:
    with torch.inference_mode():
        features = backbone.eval()(frames)
    assert features.isfinite().all()
    spread = (features[0] - features[1]).std() / features.std()
    assert spread > 0.01
    assert 1e-3 < features.std() < 1e3


def test_frozen_parts_do_not_move(backbone: VisualBackbone, frames: Tensor) -> None:
    """A forward pass in training mode leaves frozen parameters and batch statistics as they are."""
    backbone.train()
    frozen_modules = [
        module for module in backbone.modules() if module is not backbone and not module.training
    ]
    frozen = [p for p in backbone.parameters() if not p.requires_grad]
    buffers = [buffer for module in frozen_modules for buffer in module.buffers()]
    before = [tensor.clone() for tensor in (*frozen, *buffers)]
    features = backbone(frames)
    trainable = [p for p in backbone.parameters() if p.requires_grad]
    if trainable:
        gradients = torch.autograd.grad(features.square().mean(), trainable)  # raises where one takes no part
        assert all(gradient.isfinite().all() for gradient in gradients)
    else:
        assert not features.requires_grad
    assert all(torch.equal(tensor, old) for tensor, old in zip((*frozen, *buffers), before, strict=True))


@pytest.mark.parametrize(
    ("config", "trainable"),
    [
        (ResNetConfig(architecture="resnet18"), lambda name: True),
        (ResNetConfig(architecture="resnet18", frozen_stages=1), lambda name: name.startswith("layer")),
        (ClipBertResNetConfig(), lambda name: name.startswith(("layer2", "layer3", "layer4"))),
        (ClipBertResNetConfig(frozen_stages=5), lambda name: False),
        (SmallConvConfig(), lambda name: True),
    ],
)
def test_frozen_stages(config: BackboneConfig, trainable: Callable[[str], bool]) -> None:
    for name, parameter in build_backbone(config).named_parameters():
        assert parameter.requires_grad == trainable(name), name
