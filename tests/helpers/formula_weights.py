"""Weights and inputs that two implementations can make apart: numpy only, each value a function of its name.

The golden arrays of this folder come from the original ClipBERT with its weights filled by the same rule.
"""

import math
import zlib
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clipbug.models.weights.clipbert_keys import rename_clipbert_key

OWNER = {
    "transformer.cls.predictions.decoder.weight": "transformer.bert.embeddings.word_embeddings.weight",
    "transformer.cls.predictions.decoder.bias": "transformer.cls.predictions.bias",
}
"""Shared tensors: the name that is filled for the one that is asked for."""

CONVOLUTION_DAMPING = {".conv3.weight": 0.3, ".shortcut.weight": 0.7}


def filled(reference_key: str, shape: Iterable[int]) -> Tensor:
    """The tensor that belongs to a name of the original."""
    key, sizes = OWNER.get(reference_key, reference_key), tuple(shape)
    normal = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(sizes)
    return torch.from_numpy(_scaled(key, normal).astype(np.float32))


def _scaled(key: str, normal: NDArray[np.float64]) -> NDArray[np.float64]:
    if key.endswith("running_var"):
        return 1 + 0.1 * np.abs(normal)
    if normal.ndim == 4:
        damping = 0.02 if ".stem." in key else 1.0
        for ending, factor in CONVOLUTION_DAMPING.items():
            damping = factor if key.endswith(ending) else damping
        return normal * (math.sqrt(2 / math.prod(normal.shape[1:])) * damping)
    if normal.ndim == 2:
        return normal * 0.2 if "embed" in key else normal / math.sqrt(normal.shape[1])
    return 1 + 0.1 * normal if key.endswith(".weight") else 0.1 * normal


def fill_model(model: nn.Module, reference_keys: Iterable[str]) -> None:
    """Give every tensor of the model the value that its name in the original has.

    Names of layers that a smaller model lacks are passed over; no tensor of the model may go without a value.
    """
    state = model.state_dict()
    names = {key: rename_clipbert_key(key) for key in reference_keys}
    tensors = {ours: filled(key, state[ours].shape) for key, ours in names.items() if ours in state}
    model.load_state_dict(tensors, strict=True)


def pictures(seed: int, count: int, height: int, width: int) -> Tensor:
    """Blocks of 16 pixels under noise, uint8 (count, 3, height, width)."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 256, (count, 3, math.ceil(height / 16), math.ceil(width / 16)))
    large = np.kron(blocks, np.ones((1, 1, 16, 16), dtype=np.int64))[:, :, :height, :width]
    noisy = large + generator.integers(-16, 17, (count, 3, height, width))
    return torch.from_numpy(noisy.clip(0, 255).astype(np.uint8))


def clips(case: Mapping[str, int]) -> Tensor:
    """Pictures at the top left of a black square, uint8 (visuals, one clip, frames, 3, size, size)."""
    visuals, frames, size = case["groups"], case["frames"], case["size"]
    canvas = torch.zeros(visuals * frames, 3, size, size, dtype=torch.uint8)
    canvas[:, :, : case["h"], : case["w"]] = pictures(case["seed"], visuals * frames, case["h"], case["w"])
    return canvas.view(visuals, 1, frames, 3, size, size)


def token_rows(seed: int, lengths: Iterable[int], width: int, vocabulary_size: int) -> tuple[Tensor, Tensor]:
    """Ids [CLS] random [SEP] padding, and their mask, int64 (rows, width)."""
    generator = np.random.default_rng(seed)
    rows = [
        [101, *generator.integers(104, vocabulary_size, length - 2).tolist(), 102] + [0] * (width - length)
        for length in lengths
    ]
    ids = torch.tensor(rows)
    return ids, (ids != 0).long()
