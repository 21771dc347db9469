"""Switches of training change neither outputs nor gradients."""

import shutil
from typing import Any

import pytest
import torch

from clipbug.config import RunConfig
from clipbug.models.build import apply_training_switches, build_model
from clipbug.models.clipbert import ClipBert
from tests.helpers.rounding import assert_close, num_terms

NUM_POSITIONS = 12 * 32 * 32
"""Pixels of all frames."""
OFF: dict[str, Any] = {"frames_per_call": None, "recompute": False, "compiled": False}


def _model(config: RunConfig) -> ClipBert:
    torch.manual_seed(0)
    return build_model(config.model, head="classification", num_classes=5, vocabulary_size=30).train()


def _outputs_and_gradients(model: ClipBert) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (2, 3, 2, 3, 32, 32), dtype=torch.uint8, generator=generator)
    ids = torch.randint(0, 30, (3, 6), generator=generator)
    torch.manual_seed(2)  # of dropout
    logits = model(frames, ids, torch.ones_like(ids), torch.tensor([0, 1, 1]), torch.rand(2, 3))
    torch.logsumexp(logits.flatten(), dim=0).backward()
    return {"logits": logits.detach(), **{name: value.grad for name, value in model.named_parameters()}}


def size_of(name: str, values: dict[str, torch.Tensor]) -> float:
    """Return the greatest value; of all gradients together, since in some of them everything cancels."""
    kind = [value for other, value in values.items() if (other == "logits") == (name == "logits")]
    return max(float(value.abs().max()) for value in kind)


@pytest.mark.parametrize(
    "switches",
    [{"recompute": True}, {"frames_per_call": 4}, {"frames_per_call": 4, "recompute": True}],
    ids=["recompute", "portions", "both"],
)
def test_outputs_and_gradients_stay(tiny_config: RunConfig, switches: dict[str, Any]) -> None:
    model = _model(tiny_config)
    names = list(model.state_dict())
    apply_training_switches(model, **{**OFF, **switches})
    expected, found = _outputs_and_gradients(_model(tiny_config)), _outputs_and_gradients(model)
    assert list(model.state_dict()) == names
    terms = 2 * num_terms(model) + NUM_POSITIONS  # forward, back, and gradients summed over all positions
    for name, value in expected.items():
        assert_close(found[name], value, terms=terms, size=size_of(name, expected), name=name)


def test_with_recomputing_fewer_tensors_are_kept(tiny_config: RunConfig) -> None:
    kept = []
    for recompute in (False, True):
        model = _model(tiny_config)
        apply_training_switches(model, **{**OFF, "recompute": recompute})
        sizes: list[int] = []

        def note(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            frames = torch.zeros(2, 3, 2, 3, 32, 32)
            ids = torch.ones(3, 6, dtype=torch.long)
            model(frames, ids, ids, torch.tensor([0, 1, 1]), torch.zeros(2, 3))
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 3


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("default")  # torch.compile asks for attributes that warn
def test_compiled_is_the_same_model(tiny_config: RunConfig) -> None:
    encoder = tiny_config.model.encoder.model_copy(update={"dropout": 0.0})  # compiled code draws otherwise
    model_config = tiny_config.model.model_copy(update={"encoder": encoder, "head_dropout": 0.0})
    config = tiny_config.model_copy(update={"model": model_config})
    model = _model(config)
    names = list(model.state_dict())
    apply_training_switches(model, **{**OFF, "compiled": True})
    expected, found = _outputs_and_gradients(_model(config)), _outputs_and_gradients(model)
    assert list(model.state_dict()) == names
    terms = 2 * num_terms(model) + NUM_POSITIONS  # forward, back, and gradients summed over all positions
    for name, value in expected.items():
        assert_close(found[name], value, terms=terms, size=size_of(name, expected), name=name)
