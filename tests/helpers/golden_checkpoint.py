"""Checkpoints and run folders as the original writes them, small, with weights filled by the formula."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.helpers.formula_weights import filled

KEYS: dict[str, dict[str, list[int]]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "model" / "keys.json").read_text()
)
SMALL_SIZES = {768: 96, 30522: 512, 3072: 192, 1536: 192}
NUM_LAYERS = 3
WORDS = (
    *("what", "is", "the", "man", "doing", "where", "who", "how", "many", "was", "app", "tapped", "first"),
    *("which", "dialog", "red", "blue", "button", "?"),
)


def original_checkpoint(head: str = "msrvtt_qa", *, num_classes: int | None = None) -> dict[str, Tensor]:
    """Every key of the original, in its order: a model 96 wide with 3 layers, detection heads of size 2."""
    state = {}
    for key, shape in KEYS[head].items():
        layer = key.partition(".layer.")[2].partition(".")[0]
        if layer and int(layer) >= NUM_LAYERS:
            continue
        sizes = [2] * len(shape) if ".proposal_generator." in key or ".roi_heads." in key else shape
        if not key.startswith("cnn.feature."):
            sizes = [SMALL_SIZES.get(size, size) for size in shape]
        if num_classes is not None and key.startswith("transformer.classifier.2."):
            sizes = [num_classes, *sizes[1:]]
        state[key] = filled(key, sizes)
    return state


def write_tokenizer(folder: Path) -> Path:
    """A folder with nothing but vocab.txt: 512 pieces, BERT's special tokens where BERT has them."""
    words = ["[PAD]", *(f"[unused{number}]" for number in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = "abcdefghijklmnopqrstuvwxyz"
    words += [*WORDS, *letters, *(f"##{letter}" for letter in letters)]
    words += [f"filler{number}" for number in range(512 - len(words))]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder


def write_run(folder: Path, args: Mapping[str, Any], states: Mapping[int, Mapping[str, Tensor]]) -> Path:
    """log/args.json, log/model_config.json and ckpt/model_step_N.pt."""
    sizes = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 6, "intermediate_size": 192}
    for name, content in (("args", args), ("model_config", {**sizes, "vocab_size": 512})):
        path = folder / "log" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (folder / "ckpt").mkdir()
    for step, state in states.items():
        torch.save(
            dict(state), folder / "ckpt" / f"model_step_{step}.pt", _use_new_zipfile_serialization=False
        )
    return folder
