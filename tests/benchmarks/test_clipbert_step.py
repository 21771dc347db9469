"""The original's step, restated, is ours in everything but speed."""

from dataclasses import fields

import pytest
import torch

from clipbug.benchmarks.clipbert_step import ClipBertAdamW, ClipBertStep, Switches
from clipbug.config import RunConfig
from clipbug.config.model import ClipBertResNetConfig
from clipbug.data.loading.batch import Batch
from clipbug.models.build import build_model
from clipbug.models.clipbert import ClipBert
from clipbug.tasks.question_answering import QuestionAnswering
from tests.helpers.batches import single_label_batch

pytestmark = pytest.mark.slow

ALL = [field.name for field in fields(Switches)]


@pytest.fixture(scope="module")
def batch() -> Batch:
    return single_label_batch()


def _model(config: RunConfig, batch: Batch) -> ClipBert:
    torch.manual_seed(0)
    model_config = config.model.model_copy(
        update={
            "backbone": ClipBertResNetConfig(),
            "encoder": config.model.encoder.model_copy(update={"dropout": 0.0}),
            "head_dropout": 0.0,
        }
    )
    classes = int(batch.targets["labels"].max()) + 1
    model = build_model(model_config, head="classification", num_classes=classes, vocabulary_size=200)
    return model.train()


def _gradients(model: ClipBert) -> dict[str, torch.Tensor]:
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


class _Answers(list[str]):
    def answer_at(self, index: int) -> str:
        return self[index]


@pytest.mark.parametrize(
    "switches", [Switches(), Switches(**{name: name != "bf16" for name in ALL})], ids=["none", "all"]
)
def test_gradients_are_those_of_our_step(tiny_config: RunConfig, batch: Batch, switches: Switches) -> None:
    model = _model(tiny_config, batch)
    classes = int(batch.targets["labels"].max()) + 1
    task = QuestionAnswering(
        model, answers=_Answers(map(str, range(classes))), clip_aggregation="logsumexp", soft_labels=False
    )
    loss = task.training_step(batch).sums["answer"] / len(batch.records)
    loss.backward()
    own = _gradients(model)
    other = _model(tiny_config, batch)
    original = ClipBertStep(other, switches, num_unused=64).gradient(batch)
    # float32 in another order: one clip at a time, padded texts, another layout
    assert float(original) == pytest.approx(float(loss.detach()), rel=1e-5)
    found = _gradients(other)
    norm = torch.stack([value.norm() for value in own.values()]).norm()
    for name, value in own.items():
        assert float((found[name] - value).norm()) < 1e-4 * float(value.norm()) + 1e-6 * float(norm), name


def test_adamw_of_the_original_is_torchs_but_for_the_order_of_decay() -> None:
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 6)) for _ in range(2)]
    options = {"lr": 0.01, "betas": (0.9, 0.98), "eps": 1e-6, "weight_decay": 0.0}
    optimizers = [ClipBertAdamW([weights[0]], dict(options)), torch.optim.AdamW([weights[1]], **options)]
    for step in range(3):
        for weight, optimizer in zip(weights, optimizers, strict=True):
            weight.grad = torch.arange(6.0) - step
            optimizer.step()
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-7)  # eps stands inside the correction there


def test_unused_heads_are_updated_too(tiny_config: RunConfig, batch: Batch) -> None:
    step = ClipBertStep(_model(tiny_config, batch), Switches(), num_unused=64)
    unused = [value for value in step._parameters if value.numel() == 4 and value.ndim == 1]
    step.run(batch)
    assert len(unused) >= 16
    assert all(not value.grad.any() for value in unused[-16:])
