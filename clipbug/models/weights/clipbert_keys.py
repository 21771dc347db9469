"""Map tensor names of published ClipBERT and detectron2 checkpoints to those of clipbug, and back.

Most modules of the transformer keep their names after another prefix. The detection heads in the published
files are never used in a forward pass and have no counterpart.
"""

import re
from collections.abc import Mapping

from torch import Tensor

UNUSED = (
    "cnn.feature.proposal_generator.",
    "cnn.feature.roi_heads.",
    "transformer.bert.visual_embeddings.position_embeddings.",
)
"""Prefixes of tensors that ClipBERT stores but never uses."""

PREFIXES = {
    "cnn.feature.backbone.": "visual.backbone.",
    "cnn.grid_encoder.0.": "visual.grid_encoder.conv.",
    "transformer.bert.": "bert.",
    "transformer.cls.": "head.",
    "transformer.classifier.": "head.classifier.",
    "transformer.regressor.": "head.regressor.",
}

_STEM = re.compile(r"stem\.conv1\.(norm\.)?(\w+)")
_BLOCK = re.compile(r"res([2-5])\.(\d+)\.(shortcut|conv[1-3])\.(norm\.)?(\w+)")
_TORCH_STEM = re.compile(r"(conv|bn)1\.(\w+)")
_TORCH_BLOCK = re.compile(r"layer([1-4])\.(\d+)\.(downsample\.[01]|conv[1-3]|bn[1-3])\.(\w+)")
_BACKBONE_PART = re.compile(r"(?:^|\.)((?:stem|res[2-5])\..+)$")


def rename_clipbert_key(key: str) -> str | None:
    """Map a tensor name of a published ClipBERT checkpoint to clipbug's.

    Args:
        key: Name in the checkpoint.

    Returns:
        Name in clipbug; None if the tensor is not used in a forward pass.

    Raises:
        ValueError: The name does not occur in ClipBERT checkpoints.
    """
    if key.startswith(UNUSED):
        return None
    for theirs, ours in PREFIXES.items():
        if key.startswith(theirs):
            rest = key.removeprefix(theirs)
            return ours + (rename_detectron2_key(rest) if ours == "visual.backbone." else rest)
    raise ValueError(f"{key} is not a tensor name of a ClipBERT checkpoint")


def clipbert_key(name: str) -> str | None:
    """Map one of clipbug's tensor names to ClipBERT's, or None: the inverse of `rename_clipbert_key`."""
    if name.startswith("visual.backbone."):
        key = _detectron2_key(name.removeprefix("visual.backbone."))
        return None if key is None else f"cnn.feature.backbone.{key}"
    for theirs, ours in sorted(PREFIXES.items(), key=lambda pair: -len(pair[1])):
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return None


def _detectron2_key(name: str) -> str | None:
    """Map a torchvision ResNet name to detectron2's: layer2.0.bn1.bias -> res3.0.conv1.norm.bias."""
    if match := _TORCH_STEM.fullmatch(name):
        return f"stem.conv1.norm.{match[2]}" if match[1] == "bn" else f"stem.conv1.{match[2]}"
    if match := _TORCH_BLOCK.fullmatch(name):
        stage, block, part, leaf = match.groups()
        part = {"downsample.0": "shortcut", "downsample.1": "shortcut.norm"}.get(part, part)
        part = re.sub(r"bn(\d)", r"conv\1.norm", part)
        return f"res{int(stage) + 1}.{block}.{part}.{leaf}"
    return None


def rename_detectron2_key(key: str) -> str:
    """Map a detectron2 ResNet name to torchvision's: res3.0.conv1.norm.bias -> layer2.0.bn1.bias.

    Args:
        key: Name in the checkpoint.

    Returns:
        Torchvision's name.

    Raises:
        ValueError: The name does not occur in that network.
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
    """Return the ResNet of a detectron2, grid-feature or ClipBERT checkpoint, with clipbug's names."""
    found = {match.group(1): tensors[key] for key in tensors if (match := _BACKBONE_PART.search(key))}
    return {rename_detectron2_key(key): tensor for key, tensor in found.items()}
