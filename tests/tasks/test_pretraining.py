"""Pre-training: losses over clips, predictions and the score of matching."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from clipbug.models.outputs import PretrainingOutput
from clipbug.tasks.pretraining import MatchingAccuracy, Pretraining
from tests.helpers.batches import NUM_TOKENS, FixedOutput, pretraining_batch

generator = torch.Generator().manual_seed(1)
MLM_LOGITS = torch.randn(6, 2, NUM_TOKENS, 40, generator=generator)
MATCHING_LOGITS = torch.randn(6, 2, 2, generator=generator)


@pytest.fixture
def task() -> Pretraining:
    return Pretraining(FixedOutput(PretrainingOutput(MLM_LOGITS, MATCHING_LOGITS)), clip_aggregation="mean")


def test_token_loss_is_the_mean_over_clips_of_hidden_tokens(task: Pretraining) -> None:
    batch = pretraining_batch()
    labels = batch.targets["mlm"]
    clips = [
        functional.cross_entropy(MLM_LOGITS[row, clip, token], labels[row, token]).item()
        for row, token in (labels >= 0).nonzero().tolist()
        for clip in range(2)
    ]
    assert task(batch).sums["mlm"].item() == pytest.approx(sum(clips) / 2, rel=1e-5)  # fp32
    assert task.count_targets(batch) == {"mlm": 9, "matching": 6}


def test_predictions_know_what_was_expected(task: Pretraining) -> None:
    batch = pretraining_batch()
    predictions = task.predict(batch)
    pooled = MATCHING_LOGITS.mean(dim=1)
    assert [prediction.answer for prediction in predictions] == [
        ("mismatch", "match")[index] for index in pooled.argmax(dim=-1).tolist()
    ]
    assert predictions[0].probability == pytest.approx(pooled[0].softmax(dim=0).max().item(), rel=1e-6)
    assert [prediction.expected for prediction in predictions] == [
        "match", "mismatch", "match", "mismatch", "mismatch", "match"
    ]  # fmt: skip
    assert predictions[0].question == "caption of row0"
    assert {prediction.expected for prediction in task.predict(replace(batch, targets={}))} == {None}
    unknown = {**batch.targets, "matching": torch.tensor([-100, 0, 1, 0, 0, 1])}
    assert task.predict(replace(batch, targets=unknown))[0].expected is None


def test_matching_accuracy(task: Pretraining) -> None:
    batch = pretraining_batch()
    predictions = [
        replace(prediction, answer="match", expected="match" if index < 2 else "mismatch")
        for index, prediction in enumerate(task.predict(batch))
    ]
    metric = task.metric()
    assert metric.name == "matching_accuracy"
    assert metric(predictions, batch.records) == {"matching_accuracy": pytest.approx(2 / 6)}
    assert metric(predictions[1:], batch.records) == {
        "matching_accuracy": pytest.approx(1 / 6)
    }  # one is missing


def test_a_prediction_without_the_expected_answer_cannot_be_scored(task: Pretraining) -> None:
    batch = replace(pretraining_batch(), targets={})
    with pytest.raises(ValueError, match="row0"):
        MatchingAccuracy()(task.predict(batch), batch.records)
