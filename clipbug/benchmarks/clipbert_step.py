"""ClipBERT's training step on a clipbug model, as the baseline of the training benchmark.

Clips pass through the model one at a time, texts are padded to `max_txt_len`, attention is unfused, tensors
are channels-first, AdamW loops over the parameters in Python, and the detection heads that ClipBERT never
uses (50.9 million parameters) get zero gradients, moments and weight decay. Each can be switched off.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from clipbug.data.loading.batch import Batch
from clipbug.models.aggregation import multi_clip_cross_entropy
from clipbug.models.backbones.resnet import ResNetTrunk
from clipbug.models.clipbert import ClipBert

MAX_TEXT_TOKENS = 100
NUM_UNUSED = 50_900_000
_UNUSED_TENSORS = 16
_LEARNING_RATE, _WEIGHT_DECAY, _BETAS, _EPSILON, _MAX_NORM = 5e-5, 1e-3, (0.9, 0.98), 1e-6, 5.0


@dataclass(frozen=True, slots=True)
class Switches:
    """Optimizations over ClipBERT's step; all are off by default."""

    folded_clips: bool = False
    short_text: bool = False
    no_unused_heads: bool = False
    fused_adamw: bool = False
    sdpa: bool = False
    channels_last: bool = False
    bf16: bool = False


class ClipBertStep:
    """Forward pass, backward pass and update of open-ended video QA.

    Args:
        model: a model with a ResNet backbone in training mode; its layout and attention are changed.
        switches: the optimizations to use.
        num_unused: number of parameters of the unused heads.
    """

    def __init__(self, model: ClipBert, switches: Switches, *, num_unused: int = NUM_UNUSED) -> None:
        self.model = model
        self._switches = switches
        if not switches.sdpa:
            model.bert.encoder.config._attn_implementation = "eager"
            model.bert.encoder.register_forward_pre_hook(_add_mask, with_kwargs=True)
        if not switches.channels_last:
            _use_channels_first(model)
        self._parameters = [value for value in model.parameters() if value.requires_grad]
        if not switches.no_unused_heads:
            self._parameters += [
                nn.Parameter(torch.randn(num_unused // _UNUSED_TENSORS) * 0.02)
                for _ in range(_UNUSED_TENSORS)
            ]
        groups: list[dict[str, Any]] = [
            {"params": [value for value in self._parameters if value.ndim > 1 or value.numel() > 10_000]},
            {"params": [value for value in self._parameters if value.ndim == 1 and value.numel() <= 10_000]},
        ]
        groups[1]["weight_decay"] = 0.0
        options: dict[str, Any] = {
            "lr": _LEARNING_RATE,
            "betas": _BETAS,
            "eps": _EPSILON,
            "weight_decay": _WEIGHT_DECAY,
        }
        self._optimizer: torch.optim.Optimizer = (
            torch.optim.AdamW(groups, fused=True, **options)
            if switches.fused_adamw
            else ClipBertAdamW(groups, options)
        )
        for value in self._parameters:  # never reset to None, so that unused parameters keep zero gradients
            value.grad = torch.zeros_like(value)

    def gradient(self, batch: Batch) -> Tensor:
        """Compute the gradients of the parameters and return the mean loss over rows."""
        self._optimizer.zero_grad(set_to_none=False)
        batch = batch if self._switches.short_text else _pad_text(batch, MAX_TEXT_TOKENS)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._switches.bf16):
            logits = self._logits(batch).float()
        loss = multi_clip_cross_entropy(logits, batch.targets["labels"], "logsumexp").mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def run(self, batch: Batch) -> None:
        """Run one complete step."""
        self.gradient(batch)
        clip_grad_norm_(self._parameters, _MAX_NORM)
        self._optimizer.step()

    def _logits(self, batch: Batch) -> Tensor:
        if self._switches.folded_clips:
            logits: Tensor = self.model(
                batch.frames, batch.input_ids, batch.attention_mask, batch.visual_index, batch.clip_positions
            )
            return logits
        one_by_one = [
            self.model(
                batch.frames[:, clip : clip + 1],
                batch.input_ids,
                batch.attention_mask,
                batch.visual_index,
                batch.clip_positions[:, clip : clip + 1],
            )
            for clip in range(batch.frames.shape[1])
        ]
        return torch.cat(one_by_one, dim=1)


class ClipBertAdamW(torch.optim.Optimizer):
    """AdamW as in ClipBERT: a Python loop that applies the decay to the updated weights."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters."""
        for group in self.param_groups:
            for value in group["params"]:
                self._update(value, group)

    def _update(self, value: Tensor, group: dict[str, Any]) -> None:
        state = self.state[value]
        if not state:
            state.update(step=0, mean=torch.zeros_like(value), square=torch.zeros_like(value))
        state["step"] += 1
        first, second = group["betas"]
        assert value.grad is not None, "set at construction"
        state["mean"].mul_(first).add_(value.grad, alpha=1 - first)
        state["square"].mul_(second).addcmul_(value.grad, value.grad, value=1 - second)
        size = group["lr"] * (1 - second ** state["step"]) ** 0.5 / (1 - first ** state["step"])
        value.addcdiv_(state["mean"], state["square"].sqrt().add_(group["eps"]), value=-size)
        if group["weight_decay"] > 0:
            value.add_(value, alpha=-group["lr"] * group["weight_decay"])


def _pad_text(batch: Batch, length: int) -> Batch:
    missing = (0, length - batch.input_ids.shape[1])
    return replace(
        batch,
        input_ids=functional.pad(batch.input_ids, missing),
        attention_mask=functional.pad(batch.attention_mask, missing),
    )


def _add_mask(
    module: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Convert the mask for unfused attention, which adds it to the scores: -10000 where masked."""
    visible = options["attention_mask"]
    return arguments, {**options, "attention_mask": torch.where(visible, 0.0, -10000.0)}


def _use_channels_first(model: ClipBert) -> None:
    trunk = model.visual.backbone
    assert isinstance(trunk, ResNetTrunk), "ClipBERT's backbone is a ResNet"
    trunk.to(memory_format=torch.contiguous_format)
    trunk.forward = partial(_channels_first, trunk)  # type: ignore[method-assign]


def _channels_first(trunk: ResNetTrunk, frames: Tensor) -> Tensor:
    x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(trunk.normalise(frames).contiguous()))))
    features: Tensor = trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(x))))
    return features
