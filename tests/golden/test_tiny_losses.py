"""The losses of every task over eight steps of its tiny preset: a refactoring must not move them.

A change that is meant to move them: `python -m tests.golden.test_tiny_losses` writes the file anew, and the
CHANGELOG says why.
"""

import json
import tempfile
from pathlib import Path

import pytest

from clipbug.builders.batches import BatchBuilder
from clipbug.builders.task_model import build_task_model, build_text_parts
from clipbug.config import RunConfig
from clipbug.config.loading import load_config
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionRecord, Record
from clipbug.engine.checkpoint import CheckpointManager
from clipbug.engine.optim import build_optimizer
from clipbug.engine.tracking import Tracker
from clipbug.engine.trainer import Trainer
from clipbug.runtime.distributed import init_distributed
from clipbug.runtime.seeding import seed_everything
from tests.helpers.fake_media import FakeMedia, fake_image, fake_recording
from tests.helpers.rounding import assert_close, excess, num_terms

GOLDEN = Path(__file__).with_name("tiny_losses.json")
TASKS = ("vqa", "video_qa", "multiple_choice", "retrieval", "count", "pretraining")
NAMES = ("one", "two", "three", "four", "five", "six")
ANSWERS = ("yes", "no", "save", "cancel")


def media_of(task: str) -> FakeMedia:
    if task == "vqa":
        return FakeMedia({name: fake_image(seed=seed) for seed, name in enumerate(NAMES)})
    return FakeMedia({name: fake_recording(20 + seed, seed=seed) for seed, name in enumerate(NAMES)})


def records_of(task: str) -> list[Record]:
    if task in ("pretraining", "retrieval"):
        return [CaptionRecord(name, name, f"the {name} dialog stays open after cancel") for name in NAMES]
    if task == "multiple_choice":
        return [
            ChoiceRecord(name, name, name, f"what is tapped {name}?", ANSWERS[: 2 + place % 3], place % 2)
            for place, name in enumerate(NAMES)
        ]
    return [
        QuestionRecord(f"{name}{number}", f"{name}{number}", name, f"what is tapped {name}?", labels)
        for place, name in enumerate(NAMES)
        for number, labels in enumerate(labels_of(place, task))
    ]


def labels_of(place: int, task: str) -> list[dict[str, float]]:
    if task == "count":
        return [{str(1 + place): 1.0}, {str(9 - place): 1.0}]
    first, second = ANSWERS[place % 4], ANSWERS[(place + 1) % 4]
    return [{first: 0.5, second: 0.5} if task == "vqa" else {first: 1.0}, {second: 1.0}]


def losses_of(task: str, folder: Path) -> tuple[list[float], int]:
    """Return the loss of each step, and the number of terms on the way of one step, forward and back."""
    overrides = ("precision=fp32", "train.max_steps=8", "train.log_every=1")
    config: RunConfig = load_config(f"tiny/{task}", overrides=overrides)
    records, media, processes = records_of(task), media_of(task), init_distributed()
    text = build_text_parts(config, records)
    seed_everything(config.seed)
    model = build_task_model(config, text)
    trainer = Trainer(
        task=model,
        optimizer=build_optimizer(model, config.optim),
        train_batches=BatchBuilder(config, media, text, model, processes).training(records),
        evaluator=None,
        checkpoints=CheckpointManager(folder / "checkpoints", keep_last=1),
        failures=folder / "failures",
        tracker=Tracker(folder),
        distributed=processes,
        precision=config.precision,
        seed=config.seed,
        schedule=config.optim.schedule,
        warmup_steps=1,
        max_steps=8,
        accumulation_steps=1,
        eval_every=8,
        save_every=8,
        log_every=1,
        max_gradient_norm=config.optim.max_gradient_norm,
    )
    trainer.fit()
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["train/loss"] for line in lines], 2 * num_terms(model)


@pytest.mark.parametrize("task", TASKS)
def test_losses_are_those_on_file(task: str, tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text())[task]
    assert len(golden) == 8
    losses, terms = losses_of(task, tmp_path)
    # Adam moves a weight by its rate however small the gradient, so one that is nothing but rounding counts
    # too; but such a weight hardly changes the loss. Each step starts from the roundings of those before it.
    assert_close(losses, golden, terms=len(losses) * terms)
    assert excess(losses[:-1], golden[1:], terms=len(losses) * terms) > 100  # one step more or less


def write_golden() -> None:
    """Make the file anew."""
    losses = {}
    for task in TASKS:
        with tempfile.TemporaryDirectory() as folder:
            losses[task] = [round(loss, 6) for loss in losses_of(task, Path(folder))[0]]
    GOLDEN.write_text(json.dumps(losses, indent=1) + "\n")


if __name__ == "__main__":
    write_golden()
