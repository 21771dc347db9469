"""`clipbug replay`: take the step again that was not finite, and see where it begins."""

import itertools
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clipbug.config import RunConfig
from clipbug.data.batch import Batch
from clipbug.data.tokenization import load_tokenizer
from clipbug.errors import CheckpointError
from clipbug.recipes.assembly import TextParts
from clipbug.recipes.batches import BatchBuilder
from clipbug.recipes.run_folder import RunFolder
from clipbug.recipes.storage import Storage
from clipbug.recipes.trainer import build_training_task, read_training_data
from clipbug.runtime.distributed import Distributed
from clipbug.runtime.precision import autocast, resolve_precision
from clipbug.runtime.seeding import seed_everything, step_seed
from clipbug.runtime.tensors import load_tensors
from clipbug.tasks.base import Task


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What the step does when it is taken again, without changing weights.

    Attributes:
        micro_batches: for each its process, media ids, mean losses, gradient norm, the first module whose
            output is not finite, and parameters whose gradient is not; the last two empty where all is well.
    """

    step: int
    problem: str
    precision: str
    micro_batches: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return asdict(self)


def replay(folder: Path, *, precision: str | None = None) -> ReplayReport:
    """Take the step of a `failures/step-...` folder again, with the data and random numbers that it had.

    Args:
        folder: what the training named.
        precision: another one than the run's, to see whether that helps.

    Raises:
        CheckpointError: the folder holds no failed step.
        ClipbugError: the run's data is not there any more.
    """
    if not (folder / "failure.json").is_file():
        raise CheckpointError(f"{folder} holds no failed step", "name RUN/failures/step-...")
    facts = json.loads((folder / "failure.json").read_text(encoding="utf-8"))
    run = RunFolder.open(folder.resolve().parents[1])
    config = run.self_contained_config()
    config = config.model_copy(update={"data": config.data.model_copy(update={"num_workers": 0})})
    text = TextParts(load_tokenizer(run.tokenizer), run.answers())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = build_training_task(config, text, device).train()
    task.model.load_state_dict(load_tensors(folder / "model.safetensors"))
    resolved = resolve_precision(precision or config.precision, device)  # type: ignore[arg-type]
    step = facts["step"] + 1
    rows = []
    for rank, batches in enumerate(_batches(config, run, text, task, facts, device)):
        seed_everything(step_seed(config.seed, step=step, rank=rank))
        for batch in batches:
            with autocast(resolved, device):
                row = _take(task, batch.to(device))
            rows.append({"process": rank, "media": list(batch.media_ids), **row})
    return ReplayReport(step=step, problem=facts["problem"], precision=resolved, micro_batches=rows)


def _batches(
    config: RunConfig,
    run: RunFolder,
    text: TextParts,
    task: Task,
    facts: dict[str, Any],
    device: torch.device,
) -> Iterator[list[Batch]]:
    """The micro-batches of the step, process by process."""
    data = read_training_data(config, Storage(run.path))
    for rank in range(facts["world_size"]):
        place = Distributed(rank, 0, facts["world_size"], device)
        stream = BatchBuilder(config, data.media, text, task, place).training(data.train)
        batches = stream.batches_from(facts["position"])
        yield list(itertools.islice(batches, config.train.accumulation_steps))


def _take(task: Task, batch: Batch) -> dict[str, Any]:
    task.zero_grad()
    counts = task.count_targets(batch)
    with _first_not_finite(task.model) as found:
        sums = task(batch).sums
    means = {name: total / max(counts[name], 1) for name, total in sums.items()}
    torch.stack(list(means.values())).sum().backward()  # type: ignore[no-untyped-call]
    gradients = {name: value.grad for name, value in task.named_parameters() if value.grad is not None}
    norm = float(torch.stack([gradient.norm() for gradient in gradients.values()]).norm())
    return {
        "losses": {name: float(value.detach()) for name, value in means.items()},
        "gradient_norm": norm,
        "first_module": found[0] if found else "",
        "parameters": []
        if math.isfinite(norm)
        else [name for name, gradient in gradients.items() if not gradient.isfinite().all()][:5],
    }


@contextmanager
def _first_not_finite(model: nn.Module) -> Iterator[list[str]]:
    """Names of modules whose output is not finite, in the order in which they finish."""
    names: list[str] = []

    def note(name: str, output: Any) -> None:
        tensors = output if isinstance(output, tuple) else (output,)
        if any(isinstance(value, Tensor) and not value.isfinite().all() for value in tensors):
            names.append(name)

    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: note(name, output))
        for name, module in model.named_modules()
    ]
    try:
        yield names
    finally:
        for hook in hooks:
            hook.remove()
