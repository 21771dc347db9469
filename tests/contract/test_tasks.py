"""What every task keeps, whatever its loss: the engine relies on it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clipbug.config.task import (
    CountConfig,
    MultipleChoiceConfig,
    PretrainingConfig,
    RetrievalConfig,
    TaskConfig,
    VideoQaConfig,
    VqaConfig,
)
from clipbug.data.loading.batch import Batch
from clipbug.models.aggregation import ClipAggregation
from clipbug.tasks.base import Task
from tests.helpers.batches import (
    ANSWERS,
    MakeBatch,
    choice_batch,
    count_batch,
    pretraining_batch,
    retrieval_batch,
    single_label_batch,
    soft_label_batch,
    split_by_visual,
    tiny_task,
)
from tests.helpers.rounding import assert_close, num_terms

CASES: list[tuple[TaskConfig, ClipAggregation, MakeBatch]] = [
    (VideoQaConfig(), "mean", single_label_batch),
    (VideoQaConfig(), "max", single_label_batch),
    (VideoQaConfig(), "logsumexp", single_label_batch),
    (VqaConfig(), "logsumexp", soft_label_batch),
    (MultipleChoiceConfig(), "mean", choice_batch),
    (MultipleChoiceConfig(), "max", choice_batch),
    (MultipleChoiceConfig(), "logsumexp", choice_batch),
    (RetrievalConfig(), "mean", retrieval_batch),
    (RetrievalConfig(), "logsumexp", retrieval_batch),
    (RetrievalConfig(loss="rank"), "mean", retrieval_batch),
    (RetrievalConfig(loss="rank"), "max", retrieval_batch),
    (CountConfig(), "mean", count_batch),
    (CountConfig(), "max", count_batch),
    (PretrainingConfig(), "logsumexp", pretraining_batch),
]


@pytest.fixture(params=CASES, ids=[f"{config.name}-{how}" for config, how, _ in CASES])
def case(request: pytest.FixtureRequest) -> tuple[Task, Batch]:
    config, how, make_batch = request.param
    return tiny_task(config, how), make_batch()


Case = tuple[Task, Batch]


def total_loss(task: Task, batch: Batch) -> torch.Tensor:
    counts = task.count_targets(batch)
    return torch.stack([loss / counts[name] for name, loss in task(batch).sums.items()]).sum()


def test_losses_are_finite_scalars_with_counts(case: Case) -> None:
    task, batch = case
    sums, counts = task(batch).sums, task.count_targets(batch)
    assert sums.keys() == counts.keys()
    for name, loss in sums.items():
        assert loss.shape == ()
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert loss > 0
        assert counts[name] > 0


def test_every_trainable_parameter_gets_a_gradient(case: Case) -> None:
    task, batch = case
    torch.autograd.backward(total_loss(task, batch))
    without = [
        name
        for name, parameter in task.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not torch.isfinite(parameter.grad).all())
    ]
    assert not without


def test_micro_batches_sum_to_the_big_batch(case: Case) -> None:
    task, batch = case
    whole, gradients = sums_and_gradients(task, [batch])
    parts, gradients_of_parts = sums_and_gradients(task, split_by_visual(batch))
    counts = [task.count_targets(part) for part in split_by_visual(batch)]
    terms = 2 * num_terms(task) + batch.frames.numel()  # forward, back, and gradients summed over positions
    for name, loss in whole.items():
        assert_close(parts[name], loss, terms=terms, name=name)
        assert sum(count[name] for count in counts) == task.count_targets(batch)[name]
    size = max(float(gradient.abs().max()) for gradient in gradients.values())
    for name, gradient in gradients.items():
        assert_close(gradients_of_parts[name], gradient, terms=terms, size=size, name=name)


def sums_and_gradients(task: Task, batches: list[Batch]) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Loss sums over the batches, and the gradients of their total."""
    task.zero_grad()
    sums: dict[str, float] = {}
    for batch in batches:
        losses = task(batch).sums
        torch.autograd.backward(list(losses.values()))
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.item()
    gradients = {name: parameter.grad for name, parameter in task.named_parameters()}
    return sums, {name: gradient.clone() for name, gradient in gradients.items() if gradient is not None}


def test_a_batch_without_targets_has_zero_loss_and_still_a_gradient_path(case: Case) -> None:
    task, batch = case
    nothing = {
        name: torch.full_like(target, -100) if not target.is_floating_point() else torch.zeros_like(target)
        for name, target in batch.targets.items()
    }
    without = replace(batch, targets=nothing)
    assert set(task.count_targets(without).values()) == {0}
    losses = task(without).sums
    torch.autograd.backward(list(losses.values()))
    assert all(loss.item() == 0 for loss in losses.values())
    for parameter in task.parameters():
        assert parameter.grad is None or not parameter.grad.any()
    assert any(parameter.grad is not None for parameter in task.parameters())


def test_predictions_are_deterministic_and_need_no_targets(case: Case) -> None:
    task, batch = case
    task.eval()
    with torch.inference_mode():
        first, second = task.predict(batch), task.predict(replace(batch, targets={}))
    assert [prediction.to_json() for prediction in first] == [prediction.to_json() for prediction in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.clip_logits, other.clip_logits)


def test_predictions_follow_the_rows(case: Case) -> None:
    task, batch = case
    task.eval()
    with torch.inference_mode():
        predictions = task.predict(batch)
    assert [prediction.record_id for prediction in predictions] == [
        record.record_id for record in batch.records
    ]
    for prediction, record, visual in zip(predictions, batch.records, batch.visual_of_records(), strict=True):
        assert (prediction.media_id, prediction.question) == (record.media_id, record.text)
        assert (prediction.answer, prediction.probability) == prediction.top[0]
        probabilities = [probability for _, probability in prediction.top]
        assert probabilities == sorted(probabilities, reverse=True)
        assert all(0 <= probability <= 1 for probability in probabilities)
        assert [(clip.start_seconds, clip.end_seconds) for clip in prediction.clips] == [
            tuple(span) for span in batch.clip_spans[visual].tolist()
        ]
        assert [list(clip.frame_seconds) for clip in prediction.clips] == batch.frame_seconds[visual].tolist()


def test_half_precision_models_give_full_precision_losses(case: Case) -> None:
    task, batch = case
    exact = task(batch).sums
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = task(batch).sums
        predictions = task.predict(batch)
    for name, loss in rounded.items():
        assert loss.dtype == torch.float32
        # bfloat16 keeps 8 bits; logits near 0 make the loss insensitive to them
        assert loss.item() == pytest.approx(exact[name].item(), rel=0.02)
    assert predictions[0].clip_logits.dtype == np.float32


@pytest.mark.slow
def test_overfits_one_batch(case: Case) -> None:
    task, batch = case
    optimizer = torch.optim.AdamW(task.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = total_loss(task, batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()
    task.eval()
    answers = [prediction.answer for prediction in task.predict(batch)]
    assert answers == expected_answers(batch, answers)
    assert loss.item() < least_loss(batch) + 0.1  # from 1.4 (video QA), 2.8 (image QA), 50 (count)


def least_loss(batch: Batch) -> float:
    """What is left when everything is learnt: the entropy of soft labels, per row with a target."""
    labels = batch.targets.get("labels")
    if labels is None or not labels.is_floating_point():
        return 0.0
    rows = labels[labels.any(dim=-1)]
    entropy = torch.special.entr(rows) + torch.special.entr(1 - rows)
    return float(entropy.sum().item()) / len(rows)


def expected_answers(batch: Batch, given: list[str]) -> list[str]:
    """The answer of greatest weight; whatever was given where a row has no target."""
    if "matching" in batch.targets:
        return [("mismatch", "match")[label] for label in batch.targets["matching"].tolist()]
    if "count" in batch.targets:
        numbers = batch.targets["count"].tolist()
        pairs = zip(numbers, given, strict=True)
        return [answer if number < 0 else str(min(number, 10)) for number, answer in pairs]
    labels = batch.targets["labels"]
    if labels.is_floating_point():
        labels = torch.where(labels.any(dim=-1), labels.argmax(dim=-1), -100)
    return [
        answer if label < 0 else ANSWERS[label] for label, answer in zip(labels.tolist(), given, strict=True)
    ]


@torch.no_grad()
def test_evaluation_is_prediction_and_loss_of_one_run_of_the_model(case: Case) -> None:
    task, batch = case
    task.eval()
    expected, losses = task.predict(batch), task.training_step(batch).sums
    calls = []
    task.model.register_forward_hook(lambda *_: calls.append(1))
    predictions, output = task.evaluate(batch)
    assert len(calls) == 1
    assert [one.to_json() for one in predictions] == [one.to_json() for one in expected]
    assert {name: float(loss) for name, loss in output.sums.items()} == {
        name: float(loss) for name, loss in losses.items()
    }
