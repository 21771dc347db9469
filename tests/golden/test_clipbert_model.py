"""The model against outputs of the original ClipBERT, both with weights filled by a formula.

Tolerances. This model in float64 differs from these float32 outputs exactly as the original in float64 does:
6.3e-6 (grid), 3.5e-6 (visual embedding), 2.3e-6 (sequence), 1.6e-5 (base MLM scores, which reach 23). In
float32 the order of summation adds as much again: 1.6e-5 on the grid, and on the visual embedding, which is
the grid and a norm. The smallest typical mistake, LayerNorm epsilon 1e-5, moves the sequence by 1e-4.
"""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clipbug.config.model import ClipBertResNetConfig, EncoderConfig, ModelConfig
from clipbug.models.aggregation import multi_clip_cross_entropy
from clipbug.models.build import build_model
from clipbug.models.clipbert import ClipBert
from clipbug.models.clipbert_keys import rename_clipbert_key
from clipbug.models.heads import ClassificationHead
from clipbug.models.inference_graph import prepare_for_inference
from clipbug.models.outputs import PretrainingOutput
from tests.golden.filling import clips, fill_model, filled, token_rows

FOLDER = Path(__file__).with_name("model")
GRID_TOLERANCE = 3e-5
TOLERANCE = 1e-5
LARGE_SCORES_TOLERANCE = 4e-5
SMALL = {"hidden_size": 96, "num_layers": 3, "num_heads": 6, "intermediate_size": 192}
SMALL_VOCABULARY = 512
BASE_VOCABULARY = 30522
CASES: dict[str, dict[str, Any]] = {
    "a224f1": {"seed": 11, "groups": 3, "frames": 1, "h": 224, "w": 224, "size": 224, "repeats": [1, 3, 2]},
    "b448f2": {"seed": 12, "groups": 2, "frames": 2, "h": 448, "w": 320, "size": 448, "repeats": [1, 1]},
    "c256f4": {"seed": 13, "groups": 2, "frames": 4, "h": 192, "w": 256, "size": 256, "repeats": [2, 2]},
}
BASE_CASE = {"seed": 21, "groups": 1, "frames": 2, "h": 448, "w": 320, "size": 448}


@cache
def reference_keys(head: str) -> dict[str, list[int]]:
    keys: dict[str, dict[str, list[int]]] = json.loads((FOLDER / "keys.json").read_text())
    return keys[head]


def unfilled_model(
    sizes: dict[str, Any], *, num_classes: int | None, vocabulary_size: int, head_dropout: float = 0.1
) -> ClipBert:
    config = ModelConfig(
        backbone=ClipBertResNetConfig(), encoder=EncoderConfig(**sizes), head_dropout=head_dropout
    )
    head: Any = "pretraining" if num_classes is None else "classification"
    return build_model(config, head=head, num_classes=num_classes, vocabulary_size=vocabulary_size)


@cache
def small_model(num_classes: int | None) -> ClipBert:
    model = unfilled_model(SMALL, num_classes=num_classes, vocabulary_size=SMALL_VOCABULARY)
    fill_model(model, reference_keys("pretrain" if num_classes is None else "msrvtt_qa"))
    return model.eval()


def filled_head(num_classes: int) -> ClassificationHead:
    head = ClassificationHead(768, num_classes, dropout=0.0)
    shapes = {name: tensor.shape for name, tensor in head.state_dict().items()}
    head.load_state_dict({name: filled(f"transformer.{name}", shape) for name, shape in shapes.items()})
    return head


def assert_close(actual: Tensor, expected: Any, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(actual, torch.as_tensor(expected), atol=tolerance, rtol=0)


@pytest.mark.parametrize("head", ["pretrain", "msrvtt_qa"])
def test_published_names_and_shapes_are_ours(head: str) -> None:
    with torch.device("meta"):
        model = unfilled_model(
            {}, num_classes=None if head == "pretrain" else 1500, vocabulary_size=BASE_VOCABULARY
        )
    ours = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    theirs = {rename_clipbert_key(key): shape for key, shape in reference_keys(head).items()}
    theirs.pop(None)
    assert theirs == ours


@torch.inference_mode()
@pytest.mark.parametrize("name", CASES)
def test_small_model(name: str) -> None:
    with np.load(FOLDER / "model_small.npz") as file:
        expected = {key.removeprefix(f"{name}/"): file[key] for key in file if key.startswith(name)}
    model, frames = small_model(None), clips(CASES[name])
    ids, mask = (torch.from_numpy(expected[key].astype(np.int64)) for key in ("text_ids", "text_mask"))
    visual_index = torch.arange(len(frames)).repeat_interleave(torch.tensor(CASES[name]["repeats"]))

    assert_close(
        model.visual(frames.flatten(0, 2)),
        expected["grid"].reshape(-1, *expected["grid"].shape[2:]),
        GRID_TOLERANCE,
    )
    grid = model.encode_frames(frames)
    assert_close(
        model.bert.visual_embeddings(grid[visual_index, 0]), expected["visual_embedding"], GRID_TOLERANCE
    )
    assert_close(model.bert.embeddings(ids), expected["text_embedding"])
    fusion = model.fuse(grid, ids, mask, visual_index)
    assert_close(fusion.sequence[:, 0], expected["sequence_output"])
    assert_close(fusion.pooled[:, 0], expected["pooled_output"])
    output = model(frames, ids, mask, visual_index)
    assert isinstance(output, PretrainingOutput)
    assert_close(output.mlm_logits[:, 0, :, ::4], expected["mlm_scores_every4th"])
    assert_close(output.matching_logits[:, 0], expected["itm_scores"])
    for num_classes, key, every in ((1500, "msrvtt_qa/logits", 1), (3129, "vqa/logits_every4th", 4)):
        # Only the head differs: the encoder's output above is what it stands on.
        logits = small_model(num_classes).head(fusion, num_text_tokens=ids.shape[1])
        assert_close(logits[:, 0, ::every], expected[key])


@torch.inference_mode()
def test_same_answers_from_text_made_here() -> None:
    ids, mask = token_rows(11, [12, 7, 3, 9, 12, 5], 12, SMALL_VOCABULARY)
    with np.load(FOLDER / "model_small.npz") as file:
        assert ids.tolist() == file["a224f1/text_ids"].tolist()
        assert mask.tolist() == file["a224f1/text_mask"].tolist()


@pytest.mark.slow
@torch.inference_mode()
def test_base_model() -> None:
    with np.load(FOLDER / "model_base.npz") as file:
        expected = dict(file)
    model = unfilled_model({}, num_classes=None, vocabulary_size=BASE_VOCABULARY)
    fill_model(model, reference_keys("pretrain"))
    frames = clips(BASE_CASE)
    ids, mask = token_rows(21, [20, 11], 20, BASE_VOCABULARY)
    grid = model.eval().encode_frames(frames)
    fusion = model.fuse(grid, ids, mask, torch.tensor([0, 0]))
    output = model.head(fusion, num_text_tokens=20)

    per_frame = model.visual(frames.flatten(0, 2))
    assert_close(per_frame[None, ..., ::4], expected["grid_every4th"], GRID_TOLERANCE)
    assert_close(fusion.sequence[:, 0, :, ::4], expected["sequence_output_every4th"])
    assert_close(fusion.pooled[:, 0], expected["pooled_output"])
    assert_close(output.mlm_logits[:, 0, :, ::64], expected["mlm_scores_every64th"], LARGE_SCORES_TOLERANCE)
    assert_close(output.mlm_logits[:, 0].logsumexp(-1), expected["mlm_scores_logsumexp"])
    assert output.mlm_logits[:, 0].argmax(-1).tolist() == expected["mlm_argmax"].tolist()
    assert_close(output.matching_logits[:, 0], expected["itm_scores"])
    for task, num_classes in (("msrvtt_qa", 1500), ("vqa", 3129)):
        logits = filled_head(num_classes)(fusion, num_text_tokens=20)
        assert_close(logits[:, 0, ::4], expected[f"{task}/logits"])


@pytest.mark.parametrize(("theirs", "ours"), [("lse", "logsumexp"), ("mean", "mean"), ("max", "max")])
def test_first_training_step(theirs: str, ours: Any) -> None:
    golden = json.loads((FOLDER / "gradients.json").read_text())
    expected = golden["runs"][theirs]
    model = unfilled_model({**SMALL, "dropout": 0.0}, num_classes=1500, vocabulary_size=SMALL_VOCABULARY)
    fill_model(model, reference_keys("msrvtt_qa"))
    model.train().head.eval()  # no dropout, as in the golden run
    frames = clips({"seed": 31, "groups": 2, "frames": 4, "h": 96, "w": 128, "size": 128}).view(
        2, 2, 2, 3, 128, 128
    )
    ids, mask = token_rows(31, [8, 5], 8, SMALL_VOCABULARY)
    logits = model(frames, ids, mask, torch.tensor([0, 1]))
    loss = multi_clip_cross_entropy(logits, torch.tensor([3, 777]), ours).mean()
    torch.autograd.backward(loss)

    # float64 noise of the original: 7e-6 on logits, 1.3e-6 on the loss, 6e-5 relative on gradient norms.
    torch.testing.assert_close(
        logits[..., :5].transpose(0, 1), torch.tensor(expected["logits_first5"]), atol=2e-5, rtol=0
    )
    assert loss.item() == pytest.approx(expected["loss"], abs=5e-6)
    norms = {name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None}
    for key, norm in expected["gradient_norms"].items():
        # Exactly zero in theory (a shift of all scores): what is stored is rounding noise.
        if not key.endswith("attention.self.key.bias"):
            assert norms[str(rename_clipbert_key(key))] == pytest.approx(norm, rel=3e-4, abs=1e-6), key
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {rename_clipbert_key(key) for key in golden["frozen"]}


@torch.inference_mode()
def test_folded_norms_keep_the_original_s_outputs() -> None:
    """Norms folded into convolutions round differently, by as much as the order of summation does."""
    model, frames = deepcopy(small_model(None)), clips(CASES["b448f2"])
    prepare_for_inference(model)
    with np.load(FOLDER / "model_small.npz") as file:
        expected = {key: file[f"b448f2/{key}"] for key in ("text_ids", "text_mask", "grid", "pooled_output")}
    ids, mask = (torch.from_numpy(expected[key].astype(np.int64)) for key in ("text_ids", "text_mask"))
    assert_close(
        model.visual(frames.flatten(0, 2)),
        expected["grid"].reshape(-1, *expected["grid"].shape[2:]),
        GRID_TOLERANCE,
    )
    fusion = model.fuse(model.encode_frames(frames), ids, mask, torch.arange(2))
    assert_close(fusion.pooled[:, 0], expected["pooled_output"])
