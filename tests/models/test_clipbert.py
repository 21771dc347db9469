"""Equivalences of the whole model: however texts, clips and visuals are batched, the numbers are the same."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clipbug.models.aggregation import multi_clip_cross_entropy
from clipbug.models.clipbert import ClipBert
from clipbug.models.outputs import PretrainingOutput
from tests.helpers.rounding import LEAST_TERMS, assert_close, excess
from tests.models.conftest import CLASSES, VOCABULARY, BuildTiny, Inputs

TERMS = 3000
"""Of the tiny model: its layers add up a few hundred to a thousand terms, and attention and norms as many."""


@pytest.fixture(params=[False, True], ids=["", "clip positions"])
def model(request: pytest.FixtureRequest, build_tiny: BuildTiny) -> ClipBert:
    return build_tiny(clip_position_embedding=request.param)


def run(model: ClipBert, inputs: Inputs) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(*inputs.arguments())
    return logits


def assert_same(actual: Tensor, expected: Tensor) -> None:
    """Equal but for the rounding of kernels that differ by batch size."""
    assert_close(actual, expected, terms=TERMS)


def test_clips_together_are_clips_one_by_one(model: ClipBert, inputs: Inputs) -> None:
    one_by_one = [
        run(
            model,
            replace(
                inputs, frames=inputs.frames[:, n : n + 1], clip_positions=inputs.clip_positions[:, n : n + 1]
            ),
        )
        for n in range(4)
    ]
    together = run(model, inputs)
    assert_same(together, torch.cat(one_by_one, dim=1))
    assert together.std(dim=1).min() > 1e-4  # clips do differ


def test_rows_together_are_rows_one_by_one(model: ClipBert, inputs: Inputs) -> None:
    together = run(model, inputs)
    for row, visual in enumerate(inputs.visual_index.tolist()):
        length = int(inputs.attention_mask[row].sum())
        alone = Inputs(
            frames=inputs.frames[visual : visual + 1],
            input_ids=inputs.input_ids[row : row + 1, :length],
            attention_mask=inputs.attention_mask[row : row + 1, :length],
            visual_index=torch.tensor([0]),
            clip_positions=inputs.clip_positions[visual : visual + 1],
        )
        assert_same(together[row : row + 1], run(model, alone))


def test_more_padding_changes_nothing(model: ClipBert, inputs: Inputs) -> None:
    padded = replace(
        inputs,
        input_ids=F.pad(inputs.input_ids, (0, 7), value=9),  # whatever stands there: the mask says padding
        attention_mask=F.pad(inputs.attention_mask, (0, 7)),
    )
    assert_same(run(model, padded), run(model, inputs))
    unmasked = replace(padded, attention_mask=torch.ones_like(padded.attention_mask))
    assert excess(run(model, unmasked), run(model, inputs), terms=TERMS) > 100


def test_padding_changes_no_pretraining_scores(build_tiny: BuildTiny, inputs: Inputs) -> None:
    model = build_tiny("pretraining")
    padded = replace(
        inputs, input_ids=F.pad(inputs.input_ids, (0, 3)), attention_mask=F.pad(inputs.attention_mask, (0, 3))
    )
    with torch.no_grad():
        plain, longer = model(*inputs.arguments()), model(*padded.arguments())
    assert isinstance(plain, PretrainingOutput)
    assert isinstance(longer, PretrainingOutput)
    assert plain.mlm_logits.shape == (5, 4, 6, VOCABULARY)
    real = inputs.attention_mask.bool()[:, None].expand(5, 4, 6)
    assert_same(longer.mlm_logits[:, :, :6][real], plain.mlm_logits[real])
    assert_same(longer.matching_logits, plain.matching_logits)


def test_order_of_frames_in_a_clip_does_not_matter_but_frames_do(model: ClipBert, inputs: Inputs) -> None:
    flipped = replace(inputs, frames=inputs.frames.flip(2))
    assert_same(run(model, flipped), run(model, inputs))
    one_frame = replace(inputs, frames=inputs.frames[:, :, :1])
    assert (run(model, one_frame) - run(model, inputs)).abs().max() > 1e-3


def test_bytes_are_floats(model: ClipBert, inputs: Inputs) -> None:
    assert torch.equal(run(model, inputs), run(model, replace(inputs, frames=inputs.frames.float())))


def test_portions_without_gradient_are_one_call(model: ClipBert, inputs: Inputs) -> None:
    with_gradient = model(*inputs.arguments())
    model.frames_per_call, model.pairs_per_call = 5, 3
    assert with_gradient.requires_grad
    assert_same(run(model, inputs), with_gradient.detach())


def test_questions_and_pictures_matter(model: ClipBert, inputs: Inputs) -> None:
    plain = run(model, inputs)
    other_text = run(
        model,
        replace(inputs, input_ids=inputs.input_ids.flip(0), attention_mask=inputs.attention_mask.flip(0)),
    )
    other_picture = run(model, replace(inputs, visual_index=inputs.visual_index.flip(0)))
    assert (plain - other_text).abs().max() > 1e-3
    assert (plain - other_picture).abs().max() > 1e-3


def test_clip_positions_are_read_only_where_asked_for(build_tiny: BuildTiny, inputs: Inputs) -> None:
    moved = replace(inputs, clip_positions=1 - inputs.clip_positions)
    plain, positioned = build_tiny(), build_tiny(clip_position_embedding=True)
    assert torch.equal(run(plain, inputs), run(plain, moved))
    assert (run(positioned, inputs) - run(positioned, moved)).abs().max() > 1e-4
    with pytest.raises(ValueError, match="clip_positions"):
        positioned(*inputs.arguments()[:4])


def test_loss_of_one_clip_under_logsumexp_is_plain_cross_entropy(model: ClipBert, inputs: Inputs) -> None:
    one_clip = replace(inputs, frames=inputs.frames[:, :1], clip_positions=inputs.clip_positions[:, :1])
    logits, labels = run(model, one_clip), torch.arange(CLASSES)
    losses = multi_clip_cross_entropy(logits, labels, "logsumexp")
    assert_same(losses, F.cross_entropy(logits[:, 0], labels, reduction="none"))


def test_every_trainable_parameter_gets_a_gradient(build_tiny: BuildTiny, inputs: Inputs) -> None:
    for head in ("classification", "pretraining"):
        model = build_tiny(head, clip_position_embedding=True).train()
        output: Any = model(*inputs.arguments())
        loss = sum(part.square().sum() for part in ((output,) if head == "classification" else output))
        torch.autograd.backward(loss)
        without = {name for name, p in model.named_parameters() if p.grad is None}
        assert not without


def test_half_precision_autocast_runs(model: ClipBert, inputs: Inputs) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = run(model, inputs)
    exact = run(model, inputs)
    # Sums are kept in float32, and each of about 30 results is rounded to 8 bits.
    assert_close(halved, exact, terms=LEAST_TERMS, dtype=torch.bfloat16)
    assert not torch.equal(halved.float(), exact)
