import pytest
import torch

from clipbug.models.backbones.resnet import ClipBertResNet, ResNetBackbone, ResNetTrunk
from tests.helpers.rounding import assert_close, num_terms


def _filled(backbone: ResNetTrunk) -> ResNetTrunk:
    """Norms that do something: random statistics, scales and shifts."""
    generator = torch.Generator().manual_seed(3)
    for name, value in backbone.named_buffers():
        if "running_var" in name:
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
        elif "bn" in name or "downsample" in name:
            value.add_(0.2 * torch.randn(value.shape, generator=generator))
    return backbone


@pytest.mark.parametrize("make", [ClipBertResNet, lambda: ResNetBackbone("resnet18", frozen_stages=1)])
def test_function_and_gradient_are_those_of_the_modules(make: type[ResNetTrunk]) -> None:
    torch.manual_seed(0)
    backbone = _filled(make()).train()
    frames = torch.rand(2, 3, 64, 96) * 255
    trained = backbone.forward_in_half(backbone.normalise(frames))
    direction = torch.randn(trained.shape)
    (trained * direction).sum().backward()
    found = {name: value.grad for name, value in backbone.named_parameters()}
    backbone.zero_grad()
    x = backbone.normalise(frames)
    x = backbone.maxpool(backbone.relu(backbone.bn1(backbone.conv1(x))))
    expected = backbone.layer4(backbone.layer3(backbone.layer2(backbone.layer1(x))))
    (expected * direction).sum().backward()
    terms = num_terms(backbone)
    assert_close(trained, expected, terms=terms)
    # Where a sum is 0 but for rounding, ReLU lets a gradient through or not: far less than the whole of it.
    for name, value in backbone.named_parameters():
        assert (found[name] is None) == (value.grad is None) == (not value.requires_grad), name
        if value.grad is not None:
            assert float((found[name] - value.grad).norm()) < 1e-3 * float(value.grad.norm()), name


def test_features_stay_in_half_precision_under_autocast() -> None:
    kinds = []
    backbone = ClipBertResNet()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        backbone.maxpool.register_forward_hook(lambda _, inputs, __: kinds.append(inputs[0].dtype))
        assert backbone(torch.rand(1, 3, 64, 64)).dtype == torch.bfloat16
    assert kinds == [torch.bfloat16]
