"""Infer the sizes of a model from the shapes of its tensors."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from clipbug.errors import CheckpointError

_HEAD_WIDTH = 64
_LAYER = re.compile(r"bert\.encoder\.layer\.(\d+)\.")
_BLOCK = re.compile(r"visual\.backbone\.layer([1-4])\.(\d+)\.conv(\d)\.weight")
# (has three convolutions per block, blocks per stage) -> torchvision's name
_ARCHITECTURES: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}


def encoder_sizes(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Infer `model.encoder` values from shapes, with `num_heads` from BERT's 64 per head.

    Args:
        tensors: Tensors with clipbug's names.

    Returns:
        Values by key; empty without a BERT.
    """
    words = tensors.get("bert.embeddings.word_embeddings.weight")
    if words is None:
        return {}
    vocabulary_size, hidden_size = words.shape
    layers = [int(match[1]) for name in tensors if (match := _LAYER.match(name))]
    sizes = {
        "vocabulary_size": vocabulary_size,
        "hidden_size": hidden_size,
        "num_layers": max(layers, default=0) + 1,
    }
    if hidden_size % _HEAD_WIDTH == 0:
        sizes["num_heads"] = hidden_size // _HEAD_WIDTH
    for key, name in (
        ("max_position_embeddings", "bert.embeddings.position_embeddings.weight"),
        ("intermediate_size", "bert.encoder.layer.0.intermediate.dense.weight"),
    ):
        if name in tensors:
            sizes[key] = len(tensors[name])
    return sizes


def max_grid_size(tensors: Mapping[str, Tensor]) -> int | None:
    """Return the number of rows with a position embedding, or None."""
    rows = tensors.get("bert.visual_embeddings.row_position_embeddings.weight")
    return None if rows is None else len(rows)


def num_classes(tensors: Mapping[str, Tensor]) -> int | None:
    """Return the number of classes of the classification head, or None without one."""
    bias = tensors.get("head.classifier.2.bias")
    return None if bias is None else len(bias)


def resnet_architecture(names: Iterable[str]) -> str:
    """Return torchvision's name of the ResNet with these tensor names.

    Args:
        names: Tensor names.

    Returns:
        The architecture.

    Raises:
        CheckpointError: It is none of torchvision's five.
    """
    found = [tuple(map(int, match.groups())) for name in names if (match := _BLOCK.fullmatch(name))]
    blocks = tuple(
        1 + max((block for s, block, _ in found if s == stage), default=-1) for stage in (1, 2, 3, 4)
    )
    is_bottleneck = any(convolution == 3 for _, _, convolution in found)
    architecture = _ARCHITECTURES.get((is_bottleneck, blocks))
    if architecture is None:
        raise CheckpointError(
            f"a ResNet with {', '.join(map(str, blocks))} blocks is not one of torchvision's",
            hint=f"supported: {', '.join(_ARCHITECTURES.values())}",
        )
    return architecture


def check_computation(config: Mapping[str, Any], *, source: str) -> None:
    """Reject a BERT whose config.json differs from the computation of clipbug's encoder.

    Raises:
        CheckpointError: It has another activation, or another epsilon of the norms.
    """
    activation, epsilon = config.get("hidden_act", "gelu"), config.get("layer_norm_eps", 1e-12)
    if activation != "gelu" or float(epsilon) != 1e-12:
        raise CheckpointError(
            f"{source} uses {activation} and layer_norm_eps {epsilon}, but clipbug's encoder uses"
            " gelu and 1e-12",
            hint="use a BERT in the original layout, such as bert-base-uncased",
        )
