"""The tolerance for rounding holds for sums in any order, and not for sums of other terms."""

import math

import pytest
import torch
from torch import nn

from tests.helpers.rounding import assert_close, excess, num_terms, tolerance


@pytest.mark.parametrize("terms", [100, 10_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_in_another_order_are_close(terms: int, dtype: torch.dtype) -> None:
    """One term after the other, which is the worst order, against a sum that does not round."""
    values = torch.randn(64, terms, generator=torch.Generator().manual_seed(0)).to(dtype)
    total = torch.zeros(64, dtype=dtype)
    for column in values.T:
        total += column
    assert 0 < excess(total, values.double().sum(dim=1), terms=terms, dtype=dtype) < 1


def test_one_term_of_another_value_is_noticed() -> None:
    values = torch.randn(64, 10_000, generator=torch.Generator().manual_seed(0))
    expected = values.double().sum(dim=1)
    values[5, 7] += 1.0
    assert excess(values.sum(dim=1), expected, terms=10_000) > 100


def test_terms_of_a_network_are_those_of_its_layers() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 5), nn.BatchNorm2d(8), nn.Linear(8, 4), nn.LayerNorm(4))
    assert num_terms(net) == 3 * 5 * 5 + 8 + 2 * 4
    assert num_terms(net, nn.Linear(7, 1)) == num_terms(net) + 7


def test_what_is_compared() -> None:
    eps = torch.finfo(torch.float32).eps
    assert tolerance(100) == 10 * eps
    assert tolerance(1) == 8 * eps
    assert excess([1000.0, 1.0], [1000.0, 1.0 + 1000 * 10 * eps], terms=100) == pytest.approx(1)
    assert excess(1.0, 1.0 + 10 * eps, terms=100, size=2.0) == pytest.approx(0.5)
    assert excess([0.0], [0.0], terms=100) == 0
    with pytest.raises(AssertionError, match="shape"):
        assert_close([1.0, 2.0], [1.0], terms=100)
    for wrong in (math.nan, math.inf, 1.1):
        with pytest.raises(AssertionError, match="off by"):
            assert_close([wrong], [1.0], terms=100)
