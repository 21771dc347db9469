"""The graph for inference computes what the model for training computes."""

from typing import Any

import pytest
import torch
from torch import nn

from clipbug.config.model import BackboneConfig, ClipBertResNetConfig, ResNetConfig
from clipbug.models.clipbert import ClipBert
from clipbug.models.inference import prepare as inference_graph
from clipbug.models.inference.onednn import can_fuse
from clipbug.models.inference.prepare import prepare_for_inference
from tests.helpers.rounding import LEAST_TERMS, assert_close, num_terms
from tests.models.conftest import BuildTiny, Inputs

BACKBONES: list[BackboneConfig] = [
    ClipBertResNetConfig(),
    ResNetConfig(architecture="resnet18"),
    ResNetConfig(architecture="resnet18", frozen_batch_norm=False),
]


def make_norms_matter(model: ClipBert) -> int:
    """Random statistics and scales, near those of a trained network; returns how many norms there are."""
    generator = torch.Generator().manual_seed(5)
    norms = [module for module in model.modules() if hasattr(module, "running_var")]
    for norm in norms:
        values: Any = norm
        shape = values.running_var.shape
        values.running_mean.data = torch.randn(shape, generator=generator) * 0.1
        values.running_var.data = torch.rand(shape, generator=generator) + 0.5
        values.weight.data = torch.rand(shape, generator=generator) + 0.5
        values.bias.data = torch.randn(shape, generator=generator) * 0.1
    return len(norms)


def conv_strides(model: ClipBert) -> list[tuple[int, ...]]:
    """How the plain convolutions keep their weights."""
    return [module.weight.stride() for module in model.visual.modules() if isinstance(module, nn.Conv2d)]


@pytest.fixture(params=[True, False], ids=["joined operations", "single operations"])
def joins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With the operations that join layers on an x86 processor, and as on all other devices."""
    joined: bool = request.param
    if joined and not can_fuse(torch.float32):
        pytest.skip("needs an x86 processor")
    if not joined:
        monkeypatch.setattr(inference_graph, "can_fuse", lambda _dtype: False)
    return joined


@torch.inference_mode()
@pytest.mark.parametrize("backbone", BACKBONES, ids=["clipbert", "frozen", "batch norm"])
def test_folded_norms_change_only_rounding(
    backbone: BackboneConfig, build_tiny: BuildTiny, inputs: Inputs, joins: bool
) -> None:
    model = build_tiny(backbone=backbone, grid_pool=1)
    num_norms = make_norms_matter(model)
    frames = torch.nn.functional.interpolate(inputs.frames.flatten(0, 2).float(), scale_factor=3.0)[:4]
    before = model.visual(frames)
    strides, terms = conv_strides(model), num_terms(model.visual)
    prepare_for_inference(model)
    assert num_norms >= 20
    assert not any(hasattr(module, "running_var") for module in model.modules())
    assert conv_strides(model) == ([] if joins else strides)
    assert_close(model.visual(frames), before, terms=terms)


@torch.inference_mode()
def test_weights_of_bf16_give_what_autocast_gives(build_tiny: BuildTiny, inputs: Inputs, joins: bool) -> None:
    model = build_tiny()
    exact = model(*inputs.arguments())
    with torch.autocast("cpu", torch.bfloat16):
        cast = model(*inputs.arguments())
        prepare_for_inference(model, dtype=torch.bfloat16)
        prepared = model(*inputs.arguments())
    assert prepared.dtype == torch.float32  # the head computes exactly
    if not joins:
        assert model.visual.grid_encoder.conv.weight.dtype == torch.bfloat16
    assert model.bert.visual_embeddings.LayerNorm.weight.dtype == torch.float32
    # the same roundings but for the head's: as near to the exact logits as autocast is
    assert (prepared - exact).abs().max() <= (cast.float() - exact).abs().max() + 1e-3
    assert (prepared - exact).abs().max() > 0


@torch.inference_mode()
@pytest.mark.usefixtures("joins")
def test_pretraining_outputs_stay_named(build_tiny: BuildTiny, inputs: Inputs) -> None:
    model = build_tiny("pretraining")
    before = model(*inputs.arguments())
    with torch.autocast("cpu", torch.bfloat16):
        prepare_for_inference(model, dtype=torch.bfloat16)
        after = model(*inputs.arguments())
    assert after.mlm_logits.shape == before.mlm_logits.shape
    # Sums are kept in float32, and each of about 30 results is rounded to 8 bits.
    assert_close(after.matching_logits, before.matching_logits, terms=LEAST_TERMS, dtype=torch.bfloat16)


@torch.inference_mode()
@pytest.mark.usefixtures("joins")
def test_texts_of_all_lengths_and_any_portions_give_the_same_logits(
    build_tiny: BuildTiny, inputs: Inputs
) -> None:
    model = build_tiny()
    mask = inputs.attention_mask.clone()
    for row, length in enumerate((3, 5, 2, 5, 4)):
        mask[row] = torch.arange(mask.shape[1]) < length
    arguments = (inputs.frames, inputs.input_ids, mask, *inputs.arguments()[3:])
    before, terms = model(*arguments), num_terms(model)
    prepare_for_inference(model)
    model.frames_per_call, model.pairs_per_call = 3, 4
    assert_close(model(*arguments), before, terms=terms)


@torch.inference_mode()
@pytest.mark.usefixtures("joins")
def test_logits_in_half_precision_do_not_depend_on_the_other_texts(
    build_tiny: BuildTiny, inputs: Inputs
) -> None:
    """The rounding of attention in bf16 changes with the length of what it reads, padding included."""
    model = build_tiny()
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(1, 40, (9, 23), generator=generator)
    mask = (torch.arange(23) < torch.arange(23, 5, -2)[:, None]).long()
    visual_index, terms = torch.zeros(9, dtype=torch.int64), num_terms(model)
    with torch.autocast("cpu", torch.bfloat16):
        prepare_for_inference(model, dtype=torch.bfloat16)
        grid = model.encode_frames(inputs.frames)
        together = model.score(grid, ids, mask, visual_index, inputs.clip_positions)
        alone = [
            model.score(grid, ids[row, :length][None], mask[row, :length][None], visual_index[:1])
            for row, length in enumerate(mask.sum(dim=1).tolist())
        ]
    assert_close(together, torch.cat(alone), terms=terms)
