"""The losses of question answering by their formulas, and what predictions say of clips."""

import math

import pytest
import torch
from torch import Tensor

from clipbug.models.aggregation import ClipAggregation
from clipbug.tasks.question_answering import QuestionAnswering
from tests.helpers.batches import ANSWERS, AnswerList, FixedOutput, question_batch


def task_of(
    logits: Tensor,
    *,
    how: ClipAggregation = "logsumexp",
    soft_labels: bool = False,
    label_smoothing: float = 0.0,
    top_k: int = 5,
) -> QuestionAnswering:
    return QuestionAnswering(
        FixedOutput(logits),
        answers=AnswerList(),
        clip_aggregation=how,
        soft_labels=soft_labels,
        label_smoothing=label_smoothing,
        top_k=top_k,
    )


def random_logits(num_clips: int = 2) -> Tensor:
    return 2 * torch.randn(6, num_clips, len(ANSWERS), generator=torch.Generator().manual_seed(3))


LABELS = torch.tensor([0, 1, 2, -100, 3, 1])


def test_logsumexp_is_the_chance_of_the_answer_in_any_clip() -> None:
    logits = random_logits()
    expected = 0.0
    for row, label in enumerate(LABELS.tolist()):
        if label >= 0:
            chances = [[math.exp(score) for score in clip] for clip in logits[row].tolist()]
            expected -= math.log(sum(clip[label] for clip in chances) / sum(map(sum, chances)))
    loss = task_of(logits)(question_batch({"labels": LABELS})).sums["answer"]
    assert loss.item() == pytest.approx(expected, rel=1e-5)  # fp32


def test_soft_labels_pool_clips_first_and_leave_out_rows_without_labels() -> None:
    logits = random_logits()
    labels = torch.zeros(6, 4)
    labels[0, 0], labels[1, 1], labels[1, 2], labels[5, 3] = 1.0, 0.6, 0.3, 0.25
    expected = 0.0
    for row in (0, 1, 5):
        pooled = logits[row].mean(dim=0).tolist()
        for target, score in zip(labels[row].tolist(), pooled, strict=True):
            chance = 1 / (1 + math.exp(-score))
            expected -= target * math.log(chance) + (1 - target) * math.log(1 - chance)
    task, batch = task_of(logits, how="mean", soft_labels=True), question_batch({"labels": labels})
    assert task.count_targets(batch) == {"answer": 3}
    assert task(batch).sums["answer"].item() == pytest.approx(expected, rel=1e-5)  # fp32


@pytest.mark.parametrize("missing", [-100.0, math.nan])
def test_rows_filled_for_want_of_a_target_do_not_count(missing: float) -> None:
    labels = torch.eye(4)[[0, 1, 2, 3, 0, 1]]
    filled = labels.clone()
    filled[4:] = missing
    task = task_of(random_logits(), soft_labels=True)
    logits = random_logits()
    logits[4:] = 0.0
    without = question_batch({"labels": torch.where(torch.arange(6)[:, None] < 4, labels, 0.0)})
    assert task.count_targets(question_batch({"labels": filled})) == {"answer": 4}
    assert torch.equal(task(question_batch({"labels": filled})).sums["answer"], task(without).sums["answer"])


def test_label_smoothing_mixes_in_the_uniform_distribution() -> None:
    logits = random_logits(num_clips=1)
    rows = LABELS >= 0
    log_probabilities = logits[rows, 0].log_softmax(dim=-1)
    chosen = log_probabilities[torch.arange(5), LABELS[rows]]
    expected = -(0.9 * chosen + 0.1 * log_probabilities.mean(dim=-1)).sum()
    loss = task_of(logits, label_smoothing=0.1)(question_batch({"labels": LABELS}, num_clips=1)).sums[
        "answer"
    ]
    torch.testing.assert_close(loss, expected)
    with pytest.raises(ValueError, match="label_smoothing"):
        task_of(logits, soft_labels=True, label_smoothing=0.1)


def test_a_batch_without_targets_counts_nothing() -> None:
    logits = random_logits().requires_grad_()
    task, batch = task_of(logits), question_batch({})
    assert task.count_targets(batch) == {"answer": 0}
    loss = task(batch).sums["answer"]
    assert loss.item() == 0
    torch.autograd.backward(loss)
    assert logits.grad is not None
    assert not logits.grad.any()


def test_prediction_pools_clips_and_shows_each_of_them() -> None:
    logits = torch.zeros(6, 2, 4)
    logits[2, 0] = torch.tensor([1.0, 0.0, 3.0, 0.0])
    logits[2, 1] = torch.tensor([2.5, 0.0, 0.0, 0.0])
    prediction = task_of(logits, how="mean", top_k=2).predict(question_batch({}))[2]
    pooled = torch.tensor([1.75, 0.0, 1.5, 0.0]).softmax(dim=0).tolist()
    assert (prediction.record_id, prediction.question_id, prediction.media_id) == ("row2", "q2", "video1")
    assert prediction.answer == "save"
    assert [answer for answer, _ in prediction.top] == ["save", "back"]
    # fp32
    assert [chance for _, chance in prediction.top] == pytest.approx([pooled[0], pooled[2]], rel=1e-6)
    first, second = prediction.clips
    assert (first.answer, second.answer) == ("back", "save")
    assert first.probability == pytest.approx(logits[2, 0].softmax(dim=0)[2].item(), rel=1e-6)
    assert (first.start_seconds, first.end_seconds, first.frame_seconds) == (1.0, 3.0, (1.0, 2.0))
    assert (second.start_seconds, second.end_seconds, second.frame_seconds) == (11.0, 13.0, (11.0, 12.0))
    assert prediction.pooled_logits.tolist() == [1.75, 0.0, 1.5, 0.0]
    assert prediction.clip_logits.tolist() == logits[2].tolist()
    assert prediction.expected is None
    assert "expected" not in prediction.to_json()


def test_soft_labels_give_each_answer_its_own_probability() -> None:
    logits = torch.tensor([2.0, 1.0, -1.0, 0.0]).expand(6, 1, 4)
    prediction = task_of(logits, soft_labels=True).predict(question_batch({}, num_clips=1))[0]
    expected = {"save": 0.880797, "cancel": 0.731059, "menu": 0.5, "back": 0.268941}
    assert dict(prediction.top) == pytest.approx(expected, abs=1e-6)
    assert list(dict(prediction.top)) == list(expected)


def test_equal_scores_give_the_first_answer() -> None:
    prediction = task_of(torch.zeros(6, 2, 4)).predict(question_batch({}))[0]
    assert [answer for answer, _ in prediction.top] == list(ANSWERS)
    assert [clip.answer for clip in prediction.clips] == ["save", "save"]


def test_classes_and_answers_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="5 classes for 4 answers"):
        task_of(torch.zeros(6, 2, 5)).predict(question_batch({}))


def test_main_scores() -> None:
    assert task_of(random_logits()).metric().name == "accuracy"
    assert task_of(random_logits(), soft_labels=True).metric().name == "vqa_score"
