"""The model against outputs of the original ClipBERT, both with weights filled by a formula.

The original ran in float32 as well, so both sides are rounded; `tests.helpers.rounding` says how far.
The transformer is compared twice: on the original's own grid, where only its few sums count, and from pixels.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clipbug.config.model import ClipBertResNetConfig, EncoderConfig, ModelConfig
from clipbug.models.aggregation import multi_clip_cross_entropy
from clipbug.models.build import build_model
from clipbug.models.clipbert import ClipBert
from clipbug.models.heads import ClassificationHead
from clipbug.models.inference.prepare import prepare_for_inference
from clipbug.models.outputs import PretrainingOutput
from clipbug.models.weights.clipbert_keys import rename_clipbert_key
from tests.helpers.formula_weights import clips, fill_model, filled, token_rows
from tests.helpers.rounding import assert_close, excess, num_terms

FOLDER = Path(__file__).with_name("model")
SMALL = {"hidden_size": 96, "num_layers": 3, "num_heads": 6, "intermediate_size": 192}
SMALL_VOCABULARY = 512
BASE_VOCABULARY = 30522
CASES: dict[str, dict[str, Any]] = {
    "a224f1": {"seed": 11, "groups": 3, "frames": 1, "h": 224, "w": 224, "size": 224, "repeats": [1, 3, 2]},
    "b448f2": {"seed": 12, "groups": 2, "frames": 2, "h": 448, "w": 320, "size": 448, "repeats": [1, 1]},
    "c256f4": {"seed": 13, "groups": 2, "frames": 4, "h": 192, "w": 256, "size": 256, "repeats": [2, 2]},
}
NAMES = ["a224f1", *(pytest.param(name, marks=pytest.mark.slow) for name in ("b448f2", "c256f4"))]
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


@cache
def recorded(name: str) -> dict[str, Tensor]:
    """Return what the original put out for a case of the small model; grid: (visuals, frames, h, w, D)."""
    with np.load(FOLDER / "model_small.npz") as file:
        arrays = {key.partition("/")[2]: torch.from_numpy(file[key]) for key in file if key.startswith(name)}
    return {key: value if value.is_floating_point() else value.long() for key, value in arrays.items()}


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
@pytest.mark.parametrize("name", NAMES)
def test_small_model(name: str) -> None:
    expected, model, frames = recorded(name), small_model(None), clips(CASES[name])
    ids, mask = expected["text_ids"], expected["text_mask"]
    visual_index = torch.arange(len(frames)).repeat_interleave(torch.tensor(CASES[name]["repeats"]))
    visual, bert, whole = (num_terms(part) for part in (model.visual, model.bert, model))

    assert_close(
        model.visual(frames.flatten(0, 2)), expected["grid"].flatten(0, 1), terms=visual, name="grid"
    )
    theirs, grid = expected["grid"].mean(dim=1, keepdim=True), model.encode_frames(frames)
    for given, before in ((theirs, 0), (grid, visual)):
        embedding = model.bert.visual_embeddings(given[visual_index, 0])
        terms = before + num_terms(model.bert.visual_embeddings)
        assert_close(embedding, expected["visual_embedding"], terms=terms, name="visual embedding")
        fusion = model.fuse(given, ids, mask, visual_index)
        terms = before + bert
        assert_close(fusion.sequence[:, 0], expected["sequence_output"], terms=terms, name="sequence")
        assert_close(fusion.pooled[:, 0], expected["pooled_output"], terms=terms, name="pooled")
    terms = num_terms(model.bert.embeddings)
    assert_close(model.bert.embeddings(ids), expected["text_embedding"], terms=terms, name="text embedding")
    output = model(frames, ids, mask, visual_index)
    assert isinstance(output, PretrainingOutput)
    assert_close(output.mlm_logits[:, 0, :, ::4], expected["mlm_scores_every4th"], terms=whole, name="tokens")
    assert_close(output.matching_logits[:, 0], expected["itm_scores"], terms=whole, name="matching")
    for num_classes, key, every in ((1500, "msrvtt_qa/logits", 1), (3129, "vqa/logits_every4th", 4)):
        # Only the head differs: the encoder's output above is what it stands on.
        logits = small_model(num_classes).head(fusion, num_text_tokens=ids.shape[1])
        assert_close(logits[:, 0, ::every], expected[key], terms=whole, name=key)


def read_as_rgb(model: ClipBert) -> None:
    model.visual.backbone.conv1.weight.data = model.visual.backbone.conv1.weight.data.flip(1)


def subtract_the_mean_of_rgb(model: ClipBert) -> None:
    model.visual.backbone.mean = model.visual.backbone.mean.flip(1)


def swap_two_channels(model: ClipBert) -> None:
    weight = model.visual.backbone.layer2[1].conv2.weight.data
    weight[[0, 1]] = weight[[1, 0]]


def leave_a_block_out(model: ClipBert) -> None:
    model.visual.backbone.layer3[5] = nn.Identity()


def pad_with_the_border(model: ClipBert) -> None:
    conv = model.visual.grid_encoder.conv
    padded = nn.Conv2d(
        conv.in_channels, conv.out_channels, 3, padding=1, padding_mode="replicate", bias=False
    )
    padded.weight = conv.weight
    model.visual.grid_encoder.conv = padded


def shift_the_padding_of_the_pooling(model: ClipBert) -> None:
    model.visual.backbone.maxpool.padding, model.visual.backbone.maxpool.ceil_mode = 0, True


def leave_a_layer_out(model: ClipBert) -> None:
    model.bert.encoder.layer = model.bert.encoder.layer[:-1]


def forget_the_mask(model: ClipBert) -> None:
    fuse = model.fuse
    model.fuse = lambda grid, ids, mask, index: fuse(grid, ids, torch.ones_like(mask), index)  # type: ignore[method-assign]


def use_the_epsilon_of_torch(model: ClipBert) -> None:
    model.bert.embeddings.LayerNorm.eps = 1e-5  # BERT's is 1e-12


@torch.inference_mode()
@pytest.mark.parametrize(
    ("make_mistake", "array", "least"),
    [  # in comments the distances measured, in multiples of the tolerance
        (read_as_rgb, "grid", 1000),  # 9,000
        (subtract_the_mean_of_rgb, "grid", 1000),  # 3,600
        (swap_two_channels, "grid", 100),  # 500
        (leave_a_block_out, "grid", 1000),  # 14,000
        (pad_with_the_border, "grid", 1000),  # 9,000
        (shift_the_padding_of_the_pooling, "grid", 1000),  # 6,000
        (leave_a_layer_out, "sequence_output", 1000),
        (forget_the_mask, "sequence_output", 1000),
        (
            use_the_epsilon_of_torch,
            "text_embedding",
            10,
        ),  # 28: a change of 5e-5, the smallest typical mistake
    ],
)
def test_mistakes_are_far_beyond_rounding(
    make_mistake: Callable[[ClipBert], None], array: str, least: float
) -> None:
    expected, model = recorded("a224f1"), deepcopy(small_model(None))
    grid, ids, mask = expected["grid"], expected["text_ids"], expected["text_mask"]
    visual_index = torch.arange(len(grid)).repeat_interleave(torch.tensor(CASES["a224f1"]["repeats"]))
    frames = clips(CASES["a224f1"])[:1].flatten(0, 2)
    compute: dict[str, Callable[[], tuple[Tensor, Tensor, nn.Module]]] = {
        "grid": lambda: (model.visual(frames), grid[0], model.visual),
        "sequence_output": lambda: (
            model.fuse(grid, ids, mask, visual_index).sequence[:, 0],
            expected[array],
            model.bert,
        ),
        "text_embedding": lambda: (model.bert.embeddings(ids), expected[array], model.bert.embeddings),
    }
    found, wanted, part = compute[array]()
    assert excess(found, wanted, terms=num_terms(part)) <= 1
    make_mistake(model)
    found, wanted, part = compute[array]()
    assert excess(found, wanted, terms=num_terms(part)) > least


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

    per_frame, terms = model.visual(frames.flatten(0, 2)), num_terms(model)
    assert_close(per_frame[None, ..., ::4], expected["grid_every4th"], terms=num_terms(model.visual))
    assert_close(fusion.sequence[:, 0, :, ::4], expected["sequence_output_every4th"], terms=terms)
    assert_close(fusion.pooled[:, 0], expected["pooled_output"], terms=terms)
    assert_close(output.mlm_logits[:, 0, :, ::64], expected["mlm_scores_every64th"], terms=terms)
    assert_close(output.mlm_logits[:, 0].logsumexp(-1), expected["mlm_scores_logsumexp"], terms=terms)
    assert output.mlm_logits[:, 0].argmax(-1).tolist() == expected["mlm_argmax"].tolist()
    assert_close(output.matching_logits[:, 0], expected["itm_scores"], terms=terms)
    for task, num_classes in (("msrvtt_qa", 1500), ("vqa", 3129)):
        logits = filled_head(num_classes)(fusion, num_text_tokens=20)
        assert_close(logits[:, 0, ::4], expected[f"{task}/logits"], terms=terms)


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

    terms = num_terms(model)
    assert_close(logits[..., :5].transpose(0, 1), expected["logits_first5"], terms=terms, name="logits")
    assert_close(loss.item(), expected["loss"], terms=terms, name="loss")
    norms = {name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None}
    for key, norm in expected["gradient_norms"].items():
        # Exactly zero in theory (a shift of all scores): what is stored is rounding noise.
        if not key.endswith("attention.self.key.bias"):
            # Where a sum is 0 but for rounding, ReLU and pooling let a gradient through or not, which is more
            # than rounding: 6e-5 between float32 and float64 of the original, and as much between processors.
            assert norms[str(rename_clipbert_key(key))] == pytest.approx(norm, rel=3e-4, abs=1e-6), key
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {rename_clipbert_key(key) for key in golden["frozen"]}


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
def test_folded_norms_keep_the_original_s_outputs(name: str) -> None:
    """Norms folded into convolutions round differently, by as much as the order of summation does."""
    expected, model, frames = recorded(name), deepcopy(small_model(None)), clips(CASES[name])
    visual, whole = num_terms(model.visual), num_terms(model)
    prepare_for_inference(model)
    visual_index = torch.arange(len(frames)).repeat_interleave(torch.tensor(CASES[name]["repeats"]))
    assert_close(
        model.visual(frames.flatten(0, 2)), expected["grid"].flatten(0, 1), terms=visual, name="grid"
    )
    grid = model.encode_frames(frames)
    fusion = model.fuse(grid, expected["text_ids"], expected["text_mask"], visual_index)
    assert_close(fusion.pooled[:, 0], expected["pooled_output"], terms=whole, name="pooled")
