"""Tensor names of published ClipBERT and detectron2 checkpoints, and what they are called here.

Most parts of the transformer keep their name behind another prefix. The detection heads that the published
files carry along are never used in a forward pass and have no counterpart.
"""

import re
from collections.abc import Mapping

from torch import Tensor

UNUSED = (
    "cnn.feature.proposal_generator.",
    "cnn.feature.roi_heads.",
    "transformer.bert.visual_embeddings.position_embeddings.",
)
"""Prefixes of tensors that the original stores but never computes with."""

PREFIXES = {
    "cnn.feature.backbone.": "visual.backbone.",
    "cnn.grid_encoder.0.": "visual.grid_encoder.conv.",
    "transformer.bert.": "bert.",
    "transformer.cls.": "head.",
    "transformer.classifier.": "head.classifier.",
}

_STEM = re.compile(r"stem\.conv1\.(norm\.)?(\w+)")
_BLOCK = re.compile(r"res([2-5])\.(\d+)\.(shortcut|conv[1-3])\.(norm\.)?(\w+)")
_BACKBONE_PART = re.compile(r"(?:^|\.)((?:stem|res[2-5])\..+)$")


def rename_clipbert_key(key: str) -> str | None:
    """Our name of a tensor of a published ClipBERT checkpoint; None if it takes no part in a forward pass.

    Raises:
        ValueError: not a name of the original.
    """
    if key.startswith(UNUSED):
        return None
    for theirs, ours in PREFIXES.items():
        if key.startswith(theirs):
            rest = key.removeprefix(theirs)
            return ours + (rename_detectron2_key(rest) if ours == "visual.backbone." else rest)
    raise ValueError(f"{key} is not a tensor name of a ClipBERT checkpoint")


def rename_detectron2_key(key: str) -> str:
    """Torchvision's name of a detectron2 ResNet tensor: res3.0.conv1.norm.bias -> layer2.0.bn1.bias.

    Raises:
        ValueError: not a name of that network.
    """
    if match := _STEM.fullmatch(key):
        norm, leaf = match.groups()
        return f"bn1.{leaf}" if norm else f"conv1.{leaf}"
    if match := _BLOCK.fullmatch(key):
        stage, block, part, norm, leaf = match.groups()
        if part == "shortcut":
            part = "downsample.1" if norm else "downsample.0"
        elif norm:
            part = part.replace("conv", "bn")
        return f"layer{int(stage) - 1}.{block}.{part}.{leaf}"
    raise ValueError(f"{key} is not a tensor name of a detectron2 ResNet")


def backbone_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The ResNet of a detectron2, grid-feature or ClipBERT checkpoint, under our names."""
    found = {match.group(1): tensors[key] for key in tensors if (match := _BACKBONE_PART.search(key))}
    return {rename_detectron2_key(key): tensor for key, tensor in found.items()}
