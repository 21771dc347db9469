"""The small model learns to look, from scratch: the check on what random weights and norms are chosen for."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clipbug.config.model import EncoderConfig, ModelConfig, SmallConvConfig
from clipbug.models.build import build_model

STEPS = 100


def screens(generator: torch.Generator, count: int) -> tuple[Tensor, Tensor]:
    """Grey screens of 64 x 64 with dark boxes anywhere and one red box; its quarter is the label."""
    shades = torch.randint(120, 250, (count, 1, 1, 1), generator=generator)
    frames = shades.expand(count, 3, 64, 64).clone()
    corners = torch.randint(0, 56, (count, 5, 2), generator=generator)
    for screen, places in zip(frames, corners.tolist(), strict=True):
        for row, column in places:
            screen[:, row : row + 6, column : column + 8] = 40
        row, column = places[0]
        screen[0, row : row + 6, column : column + 8] = 220
    quarters = (corners[:, 0, 0] >= 28).long() * 2 + (corners[:, 0, 1] >= 28).long()
    return frames.byte()[:, None, None], quarters


@pytest.mark.slow
def test_finding_a_box_takes_few_steps() -> None:
    torch.manual_seed(0)
    encoder = EncoderConfig(hidden_size=64, num_layers=2, num_heads=4, intermediate_size=128, dropout=0)
    config = ModelConfig(
        backbone=SmallConvConfig(widths=(16, 32, 48)), encoder=encoder, head_dropout=0, grid_pool=1
    )
    model = build_model(config, head="classification", num_classes=4, vocabulary_size=8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(1)
    ids = torch.tensor([[2, 5, 3]]).expand(32, 3)
    correct = []
    for _ in range(STEPS):
        frames, labels = screens(generator, 32)
        logits = model(frames, ids, torch.ones_like(ids), torch.arange(32))[:, 0]
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(logits, labels))
        optimizer.step()
        correct.append((logits.argmax(-1) == labels).float().mean().item())
    # Every screen is new, so this is accuracy on unseen ones; chance is 0.25.
    assert sum(correct[-20:]) / 20 > 0.8
