"""Three optimizer steps of the original, by our trainer and optimizer under the original's settings.

Fixture: losses, rates, gradient norms and first logits of each step, and sum and norm of every parameter
after the third; small model, filled weights, no dropout, two clips of two frames.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from clipbug.config.loading import config_from_values
from clipbug.config.model import ClipBertResNetConfig
from clipbug.config.train import OptimConfig
from clipbug.data.loading.batch import Batch
from clipbug.data.records import QuestionRecord
from clipbug.engine.checkpoint import CheckpointManager
from clipbug.engine.optim import build_optimizer, learning_rates, set_learning_rates
from clipbug.engine.schedules import learning_rate_factor
from clipbug.engine.tracking import Tracker
from clipbug.engine.trainer import Trainer
from clipbug.interop.clipbert_config import import_legacy
from clipbug.models.aggregation import ClipAggregation
from clipbug.models.weights.clipbert_keys import UNUSED, clipbert_key
from clipbug.runtime.distributed import init_distributed
from clipbug.tasks.question_answering import QuestionAnswering
from tests.golden.test_clipbert_model import (
    BASE_VOCABULARY,
    SMALL,
    SMALL_VOCABULARY,
    reference_keys,
    unfilled_model,
)
from tests.helpers.batches import AnswerList
from tests.helpers.formula_weights import clips, fill_model, token_rows

GOLDEN: dict[str, Any] = json.loads((Path(__file__).with_name("model") / "train_steps.json").read_text())
GROUPS: dict[str, Any] = json.loads((Path(__file__).with_name("model") / "param_groups.json").read_text())
SCHEDULES: dict[str, list[float]] = json.loads(
    (Path(__file__).with_name("model") / "lr_schedule.json").read_text()
)["schedules"]
ORDER = [
    f"{part}/{kind}"
    for part in ("transformer/multiplied", "transformer", "backbone/multiplied", "backbone")
    for kind in ("decay", "no_decay")
]
MULTIPLIERS = {
    **{"transformer_lr_mul": "transformer_lr_mul", "cnn_lr_mul": "cnn_lr_mul"},
    **{"lr_transformer": "", "lr_cnn": ""},
}
FLAGS = {
    **{"task": "msrvtt_qa", "learning_rate": 1e-3, "cnn_learning_rate": 1e-3, "weight_decay": 1e-3},
    **{"cnn_weight_decay": 1e-3, "betas": [0.9, 0.98], "grad_norm": 5.0, "warmup_ratio": 0.1},
    **{"decay": "linear", "cnn_lr_decay": "linear", "optim": "adamw"},
}
TOTAL_STEPS = 20
NUM_STEPS = 3


class StopTrainingError(Exception):
    """Ends a training that the original, too, was cut off from after three steps."""


def golden_batch() -> Batch:
    frames = clips({"seed": 31, "groups": 2, "frames": 4, "h": 96, "w": 128, "size": 128})
    ids, mask = token_rows(31, [8, 5], 8, SMALL_VOCABULARY)
    return Batch(
        media_ids=("one", "two"),
        records=tuple(QuestionRecord(name, name, name, "?") for name in ("one", "two")),
        frames=frames.view(2, 2, 2, 3, 128, 128).double(),
        frame_seconds=torch.zeros(2, 2, 2),
        clip_spans=torch.zeros(2, 2, 2),
        clip_positions=torch.zeros(2, 2),
        input_ids=ids,
        attention_mask=mask,
        visual_index=torch.tensor([0, 1]),
        targets={"labels": torch.tensor([3, 777])},
    )


class SameBatch:
    """The golden batch, three times."""

    batch_size = 2

    def batches_from(self, position: int) -> Iterator[Batch]:
        for _ in range(NUM_STEPS):
            yield golden_batch()
        raise StopTrainingError


class RecordingTask(QuestionAnswering):
    """Keeps the logits that each training step saw."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.seen: list[Tensor] = []

    def _outputs(self, batch: Batch) -> Tensor:
        logits = super()._outputs(batch)
        self.seen.append(logits.detach())
        return logits


def golden_task(how: ClipAggregation) -> RecordingTask:
    sizes = {**SMALL, "dropout": 0.0}
    model = unfilled_model(sizes, num_classes=1500, vocabulary_size=SMALL_VOCABULARY, head_dropout=0.0)
    fill_model(model, reference_keys("msrvtt_qa"))
    answers = AnswerList(tuple(f"answer {index}" for index in range(1500)))
    # Adam's first steps hang on the signs of tiny gradients, so float32 is off by up to 5e-4 (logits), more
    # or less with the number of threads. In float64 only the golden file's own rounding is left.
    return RecordingTask(model, answers=answers, clip_aggregation=how, soft_labels=False).double()


def original_optim() -> OptimConfig:
    return config_from_values(import_legacy(FLAGS, task="video_qa").values, shown_as="the flags").optim


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("lse", "logsumexp"), ("mean", "mean"), ("max", "max")],
)
def test_three_steps(theirs: str, ours: ClipAggregation, tmp_path: Path) -> None:
    expected = GOLDEN["runs"][theirs]
    task = golden_task(ours)
    optim = original_optim()
    optimizer = build_optimizer(task, optim)
    trainer = Trainer(
        task=task,
        optimizer=optimizer,
        train_batches=SameBatch(),
        evaluator=None,
        checkpoints=CheckpointManager(tmp_path / "checkpoints", keep_last=1),
        failures=tmp_path / "failures",
        tracker=Tracker(tmp_path),
        distributed=init_distributed(),
        precision="fp32",
        seed=0,
        schedule=optim.schedule,
        warmup_steps=int(optim.warmup_ratio * TOTAL_STEPS),
        max_steps=TOTAL_STEPS,
        accumulation_steps=1,
        eval_every=TOTAL_STEPS,
        save_every=TOTAL_STEPS,
        log_every=1,
        max_gradient_norm=optim.max_gradient_norm,
        loss_normalization="micro_batch",
    )
    with pytest.raises(StopTrainingError):
        trainer.fit()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]

    # Noise of the original's float32 run: 7e-6 (logits), 1.3e-6 (loss), 6e-5 (gradient norm, relative) and
    # 3e-7 (norms of weights, relative). torch's AdamW in the place of its own: 1.1e-2, 3.6e-3, 5e-4 (norms).
    for step, logits, line in zip(expected["steps"], task.seen, lines, strict=True):
        torch.testing.assert_close(
            logits[..., :5].transpose(0, 1), torch.tensor(step["logits_first5"]), atol=1e-5, rtol=0
        )
        assert line["train/loss"] == pytest.approx(step["loss"], abs=4e-6)
        assert line["train/gradient_norm"] == pytest.approx(step["grad_norm_before_clip"], rel=1e-4)
        assert line["learning_rate/transformer"] == pytest.approx(step["lr"], rel=1e-12)
        assert line["learning_rate/backbone"] == pytest.approx(step["lr"], rel=1e-12)
    named = {clipbert_key(name): parameter for name, parameter in task.model.named_parameters()}
    for key, (_, norm) in expected["after_three_steps"].items():
        # Gradients of key biases are zero in theory (a shift of all scores): Adam makes steps of the noise.
        if key in named and not key.endswith("attention.self.key.bias"):
            assert named[key].detach().double().norm().item() == pytest.approx(norm, rel=5e-7), key
    assert len(expected["after_three_steps"].keys() & named.keys()) > 100


@pytest.mark.parametrize("name", list(GROUPS))
def test_groups_are_the_original_s(name: str) -> None:
    golden = GROUPS[name]
    with torch.device("meta"):
        task = nn.Module()
        task.model = unfilled_model({}, num_classes=1500, vocabulary_size=BASE_VOCABULARY)
    config = config_from_values(
        import_legacy({"task": "msrvtt_qa", **golden["config"]}, task="video_qa").values, shown_as="flags"
    )
    if golden["config"]["freeze_cnn"]:
        assert isinstance(config.model.backbone, ClipBertResNetConfig)
        assert config.model.backbone.frozen_stages == 5
        task.model.visual.backbone.requires_grad_(False)
    names = {parameter: clipbert_key(name) for name, parameter in task.model.named_parameters()}
    optimizer = build_optimizer(task, config.optim)
    ours = {group["name"]: group for group in optimizer.param_groups}
    for group_name, group in zip(ORDER, golden["groups"], strict=True):
        # The original trains what it never uses, too.
        theirs = {key for key in group["names"] if not key.startswith(UNUSED)}
        members = ours.get(group_name, {"params": []})["params"]
        assert {names[parameter] for parameter in members} == theirs, group_name
        if members:
            assert ours[group_name]["weight_decay"] == group["weight_decay"]
            assert ours[group_name]["betas"] == tuple(group["betas"])
            assert ours[group_name]["eps"] == group["eps"]
            part = "cnn_learning_rate" if group_name.startswith("backbone") else "learning_rate"
            multiplier = golden["config"].get(MULTIPLIERS[group["lr_rule"].partition("*")[0]], 1.0)
            assert ours[group_name]["lr"] == pytest.approx(golden["config"][part] * multiplier)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if not name.startswith("multi_step")])
def test_rates_are_the_original_s(name: str) -> None:
    decay, total, warmup = name.split("/")
    steps = int(total.removeprefix("N"))
    warmup_steps = int(float(warmup.removeprefix("warmup")) * steps)
    optimizer = AdamW(
        [{"params": [nn.Parameter(torch.zeros(1))], "name": "backbone/decay", "peak_learning_rate": 5e-5}]
    )
    for step, rate in enumerate(SCHEDULES[name][1:], start=1):
        factor = learning_rate_factor(
            step,
            schedule="inverse_sqrt" if decay == "invsqrt" else decay,  # type: ignore[arg-type]
            warmup_steps=warmup_steps,
            total_steps=steps,
        )
        set_learning_rates(optimizer, factor)
        if decay == "invsqrt" and warmup_steps == 0:
            # A defect of the original that is not taken over: without warm-up its rate is 1e-8 for ever.
            assert rate == 1e-8
            assert learning_rates(optimizer) == {"backbone": pytest.approx(5e-5 / step**0.5)}
        else:
            assert learning_rates(optimizer) == {"backbone": pytest.approx(rate, rel=1e-12)}


@pytest.mark.parametrize(
    ("name", "milestones"),
    [("multi_step/epochs0..14/milestones[4,8]", (4, 8)), ("multi_step/epochs0..14/milestones[5]", (5,))],
)
def test_steps_of_the_rate_are_the_original_s(name: str, milestones: tuple[int, ...]) -> None:
    for epoch, rate in enumerate(SCHEDULES[name][1:], start=1):
        factor = learning_rate_factor(
            epoch, schedule="multi_step", warmup_steps=0, total_steps=20, milestones=milestones
        )
        # A defect of the original that is not taken over: it halves twice at the last milestone.
        assert 5e-5 * factor == pytest.approx(rate * 2 if epoch >= milestones[-1] else rate)
