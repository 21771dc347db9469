"""Repeats are found exactly, and computing them once changes nothing."""

import pytest
import torch
from torch import Tensor

from clipbug.models.clipbert import ClipBert
from clipbug.models.inference.deduplication import equal_rows
from tests.helpers.rounding import assert_close, num_terms
from tests.models.conftest import BuildTiny, Inputs


def random_frames(count: int, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 24, 20), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_equal_rows_against_comparing_all_pairs(dtype: torch.dtype) -> None:
    rows = random_frames(4)[[0, 1, 0, 2, 1, 3, 3, 0]].to(dtype)
    found = equal_rows(rows)
    first = [min(other for other in range(8) if torch.equal(rows[other], rows[row])) for row in range(8)]
    assert found.rows[found.place].tolist() == first
    assert found.rows.tolist() == [0, 1, 3, 5]


def test_one_pixel_makes_a_difference() -> None:
    rows = random_frames(1).repeat(3, 1, 1, 1)
    rows[1, 2, 23, 19] ^= 1
    assert equal_rows(rows).place.tolist() == [0, 1, 0]


def count_calls(module: torch.nn.Module) -> list[int]:
    """The number of rows of each call from now on."""
    counts: list[int] = []
    module.register_forward_hook(lambda _module, inputs, _output: counts.append(len(inputs[0])))
    return counts


def still_inputs(inputs: Inputs) -> tuple[Tensor, ...]:
    """Of visual 0, clips 0, 1 and 3 are the same; visual 2 shows one frame all the time."""
    frames = inputs.frames.clone()
    frames[0, 1] = frames[0, 3] = frames[0, 0]
    frames[2] = frames[2, 0, 0]
    return frames, *inputs.arguments()[1:]


def test_repeats_pass_backbone_and_encoder_once(build_tiny: BuildTiny, inputs: Inputs) -> None:
    model = build_tiny()
    arguments = still_inputs(inputs)
    with_all = model(*arguments).detach()  # with gradients nothing is left out
    frames, pairs = count_calls(model.visual), count_calls(model.bert)
    with torch.no_grad():
        once = model(*arguments)
    # frames: 2 clips of 2 in visual 0, all 8 of visual 1, one of visual 2; rows: 2 of visual 0, 3 of visual 2
    assert sum(frames) == 4 + 8 + 1
    assert sum(pairs) == 2 * 2 + 3 * 1
    assert_close(once, with_all, terms=num_terms(model))


def test_clips_at_other_times_are_other_clips(build_tiny: BuildTiny, inputs: Inputs) -> None:
    model = build_tiny(clip_position_embedding=True)
    pairs = count_calls(model.bert)
    with torch.no_grad():
        model(*still_inputs(inputs))
    assert sum(pairs) == 5 * 4


def test_encoded_visuals_are_scored_as_frames_are(build_tiny: BuildTiny, inputs: Inputs) -> None:
    model: ClipBert = build_tiny()
    with torch.no_grad():
        grid = model.encode_frames(inputs.frames)
        logits = model(grid, *inputs.arguments()[1:])
    assert_close(logits, model(*inputs.arguments()), terms=num_terms(model))
