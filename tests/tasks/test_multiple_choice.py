"""Multiple choice by its formulas: rows of different numbers of options, each with its own softmax."""

import math

import pytest
import torch

from clipbug.models.aggregation import ClipAggregation
from clipbug.tasks.multiple_choice import MultipleChoice
from tests.helpers.batches import ANSWERS, FixedOutput, choice_batch, question_batch

SCORES = torch.randn(16, 2, 1, generator=torch.Generator().manual_seed(2))
NUMBERS = (3, 2, 2, 4, 3, 2)


def task(how: ClipAggregation = "logsumexp") -> MultipleChoice:
    return MultipleChoice(FixedOutput(SCORES), clip_aggregation=how)


def test_loss_is_over_the_options_of_each_row_alone() -> None:
    batch = choice_batch()
    labels = batch.targets["labels"].tolist()
    expected, start = 0.0, 0
    for number, label in zip(NUMBERS, labels, strict=True):
        chances = [
            sum(math.exp(clip) for clip in text) for text in SCORES[start : start + number, :, 0].tolist()
        ]
        start += number
        expected -= math.log(chances[label] / sum(chances)) if label >= 0 else 0.0
    assert task()(batch).sums["answer"].item() == pytest.approx(expected, rel=1e-5)  # fp32
    assert task().count_targets(batch) == {"answer": 5}


@pytest.mark.parametrize("how", ["mean", "max", "logsumexp"])
def test_predictions_rank_the_options_of_the_row(how: ClipAggregation) -> None:
    predictions = task(how).predict(choice_batch())
    assert [len(prediction.top) for prediction in predictions] == list(NUMBERS)
    for prediction, number in zip(predictions, NUMBERS, strict=True):
        assert {answer for answer, _ in prediction.top} == set(ANSWERS[:number])
        assert sum(probability for _, probability in prediction.top) == pytest.approx(1.0)
        assert prediction.pooled_logits.shape == (number,)
        assert prediction.clip_logits.shape == (2, number)
        assert prediction.answer == ANSWERS[int(prediction.pooled_logits.argmax())]
    first = predictions[0]
    assert first.clip_logits.tolist() == SCORES[:3, :, 0].T.tolist()
    assert [clip.answer for clip in first.clips] == [
        ANSWERS[int(clip.argmax())] for clip in SCORES[:3, :, 0].T
    ]


def test_accuracy_and_rows_without_answer() -> None:
    batch = choice_batch()
    predictions = task("mean").predict(batch)
    scores = task("mean").metric()(predictions, batch.records)
    right = [
        p.answer == r.options[r.answer]
        for p, r in zip(predictions, batch.records, strict=True)
        if r.answer is not None
    ]
    assert scores["accuracy"] == sum(right) / 5


def test_rows_without_options_are_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="QuestionRecord"):
        MultipleChoice(FixedOutput(SCORES[:6]), clip_aggregation="mean").predict(question_batch({}))
