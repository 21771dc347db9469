"""Pixel random sampling: fewer visual tokens in training, all of them otherwise."""

import pytest
import torch

from clipbug.models.embeddings import VisualEmbeddings


def embeddings(sampled_tokens: int | None) -> VisualEmbeddings:
    return VisualEmbeddings(
        16, max_grid_size=20, layer_norm_eps=1e-12, dropout=0.0, sampled_tokens=sampled_tokens
    )


@pytest.mark.parametrize(
    ("grid", "trained"), [((7, 7), 49), ((12, 12), 100), ((10, 10), 100), ((11, 10), 100)]
)
def test_numbers_of_tokens_are_the_original_s(grid: tuple[int, int], trained: int) -> None:
    module, cells = embeddings(100), torch.randn(2, *grid, 16)
    assert module.train()(cells).shape == (2, trained, 16)
    assert module.eval()(cells).shape == (2, grid[0] * grid[1], 16)
    assert embeddings(None).train()(cells).shape == (2, grid[0] * grid[1], 16)


def test_kept_cells_are_a_sorted_draw_that_all_clips_share() -> None:
    module, cells = embeddings(30), torch.randn(3, 8, 9, 16)
    everything = module.eval()(cells)
    torch.manual_seed(0)
    sampled = module.train()(cells)
    distances = (sampled[:, :, None] - everything[:, None]).abs().amax(dim=3)
    places = distances.argmin(dim=2)
    # the same numbers through a norm over another number of rows
    assert distances.gather(2, places[..., None]).max() < 1e-6
    assert (places == places[0]).all()
    assert (places[0].diff() > 0).all()
    torch.manual_seed(1)
    assert not torch.equal(module(cells), sampled)
