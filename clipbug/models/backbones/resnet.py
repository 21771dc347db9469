"""Torchvision ResNets as backbones: any by name, and the layout of the published ClipBERT."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.ops.misc import FrozenBatchNorm2d

from clipbug.errors import CheckpointError
from clipbug.models.backbones.base import VisualBackbone
from clipbug.models.backbones.frozen_norm import conv_and_norm, run_stage
from clipbug.models.weights.clipbert_keys import backbone_tensors
from clipbug.models.weights.files import read_tensors
from clipbug.models.weights.state import load_tensors

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
UNUSED_TENSORS = ("fc.*", "*.num_batches_tracked")
"""The classifier in a torchvision file, and a counter that frozen norms do not have."""


class ResNetTrunk(VisualBackbone):
    """Stem and four stages of a torchvision ResNet without its classifier, with torchvision's tensor names.

    Args:
        net: Network whose modules this module takes over.
        frozen_stages: Stages without gradient, from the input: 1 is the stem, 2 adds layer1, ... 5 is all.
    """

    stride = 32
    mean: Tensor

    def __init__(self, net: ResNet, *, frozen_stages: int) -> None:
        super().__init__()
        self.out_channels = net.fc.in_features
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        stages = ([self.conv1, self.bn1], [self.layer1], [self.layer2], [self.layer3], [self.layer4])
        self._frozen = [module for stage in stages[:frozen_stages] for module in stage]
        for module in self._frozen:
            module.requires_grad_(False)
        self.to(memory_format=torch.channels_last)

    def train(self, mode: bool = True) -> "ResNetTrunk":
        """Set the training mode except for frozen stages, whose batch statistics must not change."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def forward(self, frames: Tensor) -> Tensor:
        """Compute features of the last stage.

        Args:
            frames: RGB frames.

        Returns:
            Features.

        Shape:
            frames: (F, 3, H, W) float, RGB in [0, 255].
            returns: (F, C, ceil(H / 32), ceil(W / 32)).
        """
        x = self.normalise(frames).contiguous(memory_format=torch.channels_last)
        if torch.is_grad_enabled() and torch.is_autocast_enabled(x.device.type):
            return self.forward_in_half(x)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        features: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return features

    def forward_in_half(self, x: Tensor) -> Tensor:
        """Compute features of normalized frames with folded frozen norms, for training under autocast.

        In fp32 the different rounding order would make training steps deviate from ClipBERT's; inference has
        its own graph (`clipbug.models.inference`).

        Returns:
            Features, of the shape in `forward`.
        """
        x = self.maxpool(self.relu(conv_and_norm(self.conv1, self.bn1, x)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = run_stage(stage, x)
        return x

    def normalise(self, frames: Tensor) -> Tensor:
        """Normalize pixels as the weights expect them. Shape: (F, 3, H, W), both."""
        raise NotImplementedError


class ResNetBackbone(ResNetTrunk):
    """A torchvision ResNet on RGB, normalized by ImageNet's mean and standard deviation.

    Args:
        architecture: Torchvision name, "resnet18" ... "resnet152".
        weights: File with a torchvision state dict, or a torchvision weights name such as "IMAGENET1K_V2",
            which torchvision downloads once; None for random weights.
        frozen_stages: Stages without gradient, from the input.
        frozen_batch_norm: Keep batch-norm statistics and scales fixed.

    Raises:
        CheckpointError: The weights do not exist, cannot be downloaded or do not fit.
    """

    std: Tensor

    def __init__(
        self,
        architecture: str = "resnet50",
        *,
        weights: str | None = None,
        frozen_stages: int = 0,
        frozen_batch_norm: bool = True,
    ) -> None:
        norm: Callable[[int], nn.Module] = FrozenBatchNorm2d if frozen_batch_norm else nn.BatchNorm2d
        if not architecture.startswith("resnet"):
            raise ValueError(f"{architecture!r} is not a ResNet")
        net = get_model(architecture, norm_layer=norm)
        super().__init__(net, frozen_stages=frozen_stages)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        if weights is not None:
            tensors = _torchvision_tensors(architecture, weights)
            load_tensors(
                self, tensors, source=weights, allow_missing=UNUSED_TENSORS, allow_unexpected=UNUSED_TENSORS
            )
        elif frozen_batch_norm:
            _scale_down_branches(self)

    def normalise(self, frames: Tensor) -> Tensor:
        """Apply ImageNet's mean and standard deviation to RGB. Shape: (F, 3, H, W), both."""
        return (frames - self.mean) / self.std


class ClipBertResNet(ResNetTrunk):
    """The ResNet-50 of the published ClipBERT.

    Caffe layout: stride in the 1x1 convolution of a stage's first block, BGR, mean subtracted without
    scaling, all batch norms frozen. Stride 2 and dilation 1 in the last stage.

    Args:
        weights: Checkpoint file of detectron2, grid features or ClipBERT; None for random weights.
        frozen_stages: Stages without gradient, from the input; ClipBERT freezes stem and res2.

    Raises:
        CheckpointError: The weights do not exist or do not fit.
    """

    def __init__(self, *, weights: str | None = None, frozen_stages: int = 2) -> None:
        net = ResNet(Bottleneck, [3, 4, 6, 3], norm_layer=partial(FrozenBatchNorm2d, eps=1e-5))
        for stage in (net.layer2, net.layer3, net.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        super().__init__(net, frozen_stages=frozen_stages)
        if weights is not None:
            tensors = backbone_tensors(read_tensors(Path(weights).expanduser()))
            load_tensors(self, tensors, source=weights, allow_unexpected=UNUSED_TENSORS)
        else:
            _scale_down_branches(self)
            # Compensate for pixels that are not divided by their standard deviation.
            self.conv1.weight.data.div_(max(IMAGENET_STD))

    def normalise(self, frames: Tensor) -> Tensor:
        """Convert to BGR and subtract the mean. Shape: (F, 3, H, W), both."""
        return (frames - self.mean).flip(1)


def _scale_down_branches(trunk: ResNetTrunk) -> None:
    """Start residual branches small, because frozen norms would let features grow with every block."""
    blocks = [module for module in trunk.modules() if isinstance(module, BasicBlock | Bottleneck)]
    for block in blocks:
        last = block.conv3 if isinstance(block, Bottleneck) else block.conv2
        last.weight.data.mul_(len(blocks) ** -0.5)


def _torchvision_tensors(architecture: str, weights: str) -> dict[str, Tensor]:
    path = Path(weights).expanduser()
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return read_tensors(path)
    published = get_model_weights(architecture)
    names = [member.name for member in published]
    if weights not in names:
        raise CheckpointError(
            f"{weights!r} is neither a weights file nor a torchvision weights name for {architecture}",
            hint=f"choose from {', '.join(names)}; or give the path of a state dict",
        )
    try:
        return dict(published[weights].get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"torchvision cannot download {weights} for {architecture}: {error}",
            hint=f"download {published[weights].url} manually and set model.backbone.weights to the file",
        ) from error
