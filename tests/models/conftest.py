"""A tiny model and tiny inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from clipbug.config.model import EncoderConfig, ModelConfig, SmallConvConfig
from clipbug.models.build import build_model
from clipbug.models.clipbert import ClipBert

VOCABULARY = 40
CLASSES = 5
BuildTiny = Callable[..., ClipBert]


def tiny_model_config(**changes: Any) -> ModelConfig:
    """Hidden 16, two layers, 8 pixels per grid cell."""
    settings: dict[str, Any] = {
        "backbone": SmallConvConfig(widths=(8, 16)),
        "encoder": EncoderConfig(hidden_size=16, num_layers=2, num_heads=2, intermediate_size=32),
    }
    return ModelConfig(**{**settings, **changes})


@pytest.fixture
def build_tiny() -> BuildTiny:
    """Builder of a tiny model in evaluation mode, the same weights each time."""

    def build(head: Any = "classification", *, seed: int = 0, **changes: Any) -> ClipBert:
        torch.manual_seed(seed)
        num_classes = CLASSES if head == "classification" else None
        config = tiny_model_config(**changes)
        return build_model(config, head=head, num_classes=num_classes, vocabulary_size=VOCABULARY).eval()

    return build


@dataclass(frozen=True)
class Inputs:
    """What `ClipBert.forward` takes: 3 visuals, 4 clips of 2 frames, 5 text rows."""

    frames: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    visual_index: Tensor
    clip_positions: Tensor

    def arguments(self) -> tuple[Tensor, ...]:
        """In the order of `forward`."""
        return self.frames, self.input_ids, self.attention_mask, self.visual_index, self.clip_positions


@pytest.fixture
def inputs() -> Inputs:
    """Random frames and texts of different lengths; visual 1 has no text, visual 2 has three."""
    generator = torch.Generator().manual_seed(3)
    lengths = torch.tensor([6, 3, 4, 6, 2])
    mask = (torch.arange(6) < lengths[:, None]).long()
    return Inputs(
        frames=torch.randint(0, 256, (3, 4, 2, 3, 32, 24), dtype=torch.uint8, generator=generator),
        input_ids=torch.randint(1, VOCABULARY, (5, 6), generator=generator) * mask,
        attention_mask=mask,
        visual_index=torch.tensor([2, 0, 2, 2, 0]),
        clip_positions=torch.rand(3, 4, generator=generator),
    )
