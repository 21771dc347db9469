"""Train the touch detector: `python -m clipbug.perception.training --output FILE`."""

import argparse
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clipbug.perception.frames import Picture
from clipbug.perception.touch_network import TOUCH_CHANNELS
from clipbug.perception.training.network import TouchNetwork
from clipbug.perception.training.samples import make_sample
from clipbug.perception.training.screens import read_screens

_BATCH = 32
_SAVE_STEPS = 200
_LEARNING_RATE = 4e-3


def main(arguments: Sequence[str] | None = None) -> None:
    """Make samples from a seed, train on them, and write the network as ONNX."""
    parser = argparse.ArgumentParser(prog="python -m clipbug.perception.training", description=main.__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument(
        "--screens",
        type=Path,
        nargs="*",
        default=[],
        help="recordings and screenshots to draw marks over, besides drawn pages",
    )
    parser.add_argument("--steps", type=int, default=6000, help="batches of 32 samples")
    parser.add_argument("--seconds", type=float, default=3000.0, help="stop the training after this time")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    screens = read_screens(options.screens)
    print(f"{sum(map(len, screens))} screens of {len(screens)} files", flush=True)
    network = train(screens, steps=options.steps, seconds=options.seconds, seed=options.seed)
    export(network, options.output)
    print(f"{sum(value.numel() for value in network.parameters())} weights in {options.output}")


def train(screens: list[list[Picture]], *, steps: int, seconds: float, seed: int) -> TouchNetwork:
    """Return the trained network.

    The learning rate follows whichever runs out first, the steps or the time.
    """
    network = TouchNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=1e-4)
    start, mean = time.perf_counter(), 0.0
    for step, (frames, target, weight) in zip(range(steps), _batches(screens, seed), strict=False):
        done = max(step / steps, (time.perf_counter() - start) / seconds)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = (
                _LEARNING_RATE * min(1.0, (step + 1) / 60) * (0.5 + 0.5 * float(np.cos(np.pi * done)))
            )
        loss = heat_loss(network(frames), target, weight)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        mean = loss.item() if step == 0 else 0.97 * mean + 0.03 * loss.item()
        if (step + 1) % _SAVE_STEPS == 0:
            print(f"step {step + 1}, loss {mean:.3f}, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return network


def heat_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the focal loss of heat maps (CornerNet, section 3.2).

    Shape:
        logits, target: (N, TOUCH_CHANNELS, h, w); weight: (N, h, w).
    """
    chance = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    is_peak = (target >= 0.999).float()
    hit = is_peak * (1 - chance) ** 2 * chance.log() * 2
    miss = (1 - is_peak) * (1 - target) ** 4 * chance**2 * (1 - chance).log()
    return -((hit + miss) * weight[:, None]).sum() / (is_peak.sum() + _BATCH / 4)


def export(network: TouchNetwork, path: Path) -> None:
    """Write the network as ONNX, for pictures of any size; its output is 0 to 1."""
    network.eval()
    example = torch.zeros(1, 9, 96, 96)
    axes = {"frames": {2: "height", 3: "width"}, "heat": {2: "rows", 3: "columns"}}
    with warnings.catch_warnings():  # the newer exporter ties the sizes of the scales to those of the example
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            nn.Sequential(network, nn.Sigmoid()),
            (example,),
            str(path),
            input_names=["frames"],
            output_names=["heat"],
            dynamic_axes=axes,
            dynamo=False,
        )


def _batches(screens: list[list[Picture]], seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    rng = np.random.default_rng(seed)
    while True:
        samples = [make_sample(screens, rng) for _ in range(_BATCH)]
        parts: tuple[list[NDArray[np.float32]], ...] = (
            [sample.input() for sample in samples],
            [sample.target for sample in samples],
            [sample.weight for sample in samples],
        )
        frames, target, weight = (torch.from_numpy(np.stack(part)) for part in parts)
        assert target.shape[1] == TOUCH_CHANNELS, "one heat map for each kind"
        yield frames, target, weight


if __name__ == "__main__":
    main()
