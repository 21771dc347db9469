import pytest
import torch

from clipbug.benchmarks.matrix_products import matrix_products

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("dtype", "relative"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_all_products_are_of_the_same_matrices(dtype: torch.dtype, relative: float) -> None:
    first, *others = (multiply().float() for multiply in matrix_products(64, dtype, torch.device("cpu")))
    assert first.std() > 1
    for other in others:
        assert (other - first).norm() <= relative * first.norm()
