import io
from typing import Any

import pytest
import torch

from clipbug.config.train import GroupConfig, OptimConfig
from clipbug.engine.optim import build_optimizer, learning_rates, set_learning_rates
from tests.helpers.fake_tasks import FakeTask, make_batch

CONFIG = OptimConfig(
    backbone=GroupConfig(learning_rate=1e-3, weight_decay=0.1),
    transformer=GroupConfig(learning_rate=1e-2, weight_decay=0.2),
    betas=(0.8, 0.9),
    epsilon=1e-5,
)


def _members(task: FakeTask) -> dict[str, set[str]]:
    names = {id(parameter): name for name, parameter in task.named_parameters()}
    groups = build_optimizer(task, CONFIG).param_groups
    return {group["name"]: {names[id(parameter)] for parameter in group["params"]} for group in groups}


def test_each_parameter_is_in_the_group_of_its_part_and_kind() -> None:
    assert _members(FakeTask()) == {
        "backbone/decay": {"model.visual.weight"},
        "backbone/no_decay": {"model.visual.bias"},
        "transformer/decay": {"model.head.weight"},  # once, though it has two names
        "transformer/no_decay": {"model.norm.weight", "model.norm.bias", "model.head.bias"},
    }


def test_frozen_parameters_and_empty_groups_are_left_out() -> None:
    task = FakeTask()
    task.model.visual.requires_grad_(False)
    assert set(_members(task)) == {"transformer/decay", "transformer/no_decay"}


def test_settings_reach_their_groups() -> None:
    optimizer = build_optimizer(FakeTask(), CONFIG)
    settings = {group["name"]: (group["lr"], group["weight_decay"]) for group in optimizer.param_groups}
    assert settings == {
        "backbone/decay": (1e-3, 0.1),
        "backbone/no_decay": (1e-3, 0.0),
        "transformer/decay": (1e-2, 0.2),
        "transformer/no_decay": (1e-2, 0.0),
    }
    assert all(group["betas"] == (0.8, 0.9) and group["eps"] == 1e-5 for group in optimizer.param_groups)


def test_rates_are_shares_of_the_peak_however_often_they_are_set() -> None:
    optimizer = build_optimizer(FakeTask(), CONFIG)
    for factor in (0.1, 0.5):
        set_learning_rates(optimizer, factor)
    assert learning_rates(optimizer) == {"backbone": 0.5e-3, "transformer": 0.5e-2}


def test_one_update_is_adamw_by_hand() -> None:
    task = FakeTask()
    optimizer = build_optimizer(task, CONFIG)
    weight = task.model.head.weight
    before = weight.detach().double()
    weight.grad = torch.randn_like(weight)
    gradient = weight.grad.double()
    optimizer.step()
    # first step: bias-corrected moments are the gradient and its square
    expected = before * (1 - 1e-2 * 0.2) - 1e-2 * gradient / (gradient.abs() + 1e-5)
    # float32 against float64: one update of size 1e-2 on values below 1
    assert torch.allclose(weight.detach().double(), expected, rtol=0, atol=1e-6)
    assert weight.detach().double() != pytest.approx(before)


def test_multiplied_parameters_have_groups_of_their_own() -> None:
    part = GroupConfig(learning_rate=1e-2, weight_decay=0.2, multiplier=10.0, multiplied="head")
    optimizer = build_optimizer(FakeTask(), CONFIG.model_copy(update={"transformer": part}))
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates["transformer/multiplied/decay"] == rates["transformer/multiplied/no_decay"] == 0.1
    assert rates["transformer/no_decay"] == 1e-2
    set_learning_rates(optimizer, 0.5, part="transformer")
    assert learning_rates(optimizer) == {"backbone": 1e-3, "transformer": 0.5e-2}
    assert {group["name"]: group["lr"] for group in optimizer.param_groups}[
        "transformer/multiplied/decay"
    ] == 0.05


def test_a_rate_never_becomes_0() -> None:
    optimizer = build_optimizer(FakeTask(), CONFIG)
    set_learning_rates(optimizer, 0.0)
    assert learning_rates(optimizer) == {"backbone": 1e-8, "transformer": 1e-8}


@pytest.mark.parametrize("algorithm", ["adamw", "adam", "adamax", "clipbert_adamw"])
def test_a_resumed_optimizer_goes_on_bit_for_bit(algorithm: Any) -> None:
    config = CONFIG.model_copy(update={"algorithm": algorithm})

    def steps(task: FakeTask, optimizer: torch.optim.Optimizer, numbers: range) -> None:
        for number in numbers:
            optimizer.zero_grad()
            task(make_batch([number, number + 1, number + 2])).sums["answer"].backward()
            optimizer.step()

    whole, first = FakeTask(), FakeTask()
    steps(whole, build_optimizer(whole, config), range(6))
    optimizer = build_optimizer(first, config)
    steps(first, optimizer, range(3))
    stored = io.BytesIO()
    torch.save(optimizer.state_dict(), stored)
    second, resumed = FakeTask(), build_optimizer(first, config)
    resumed.load_state_dict(torch.load(io.BytesIO(stored.getvalue()), weights_only=True))
    steps(first, resumed, range(3, 6))
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, dict(first.named_parameters())[name]), name
        assert not torch.equal(parameter, dict(second.named_parameters())[name]), name


def test_one_update_of_clipbert_s_adamw_by_hand() -> None:
    task = FakeTask()
    optimizer = build_optimizer(task, CONFIG.model_copy(update={"algorithm": "clipbert_adamw"}))
    weight = task.model.head.weight
    before = weight.detach().double()
    weight.grad = 1e-5 * torch.randn_like(weight)  # where epsilon counts
    gradient = weight.grad.double()
    optimizer.step()
    rate = 1e-2 * (1 - 0.9) ** 0.5 / (1 - 0.8)
    moved = before - rate * 0.2 * gradient / ((0.1 * gradient**2).sqrt() + 1e-5)
    expected = moved * (1 - 1e-2 * 0.2)
    # float32 against float64: one update of size 1e-2 on values below 1
    assert torch.allclose(weight.detach().double(), expected, rtol=0, atol=1e-6)
