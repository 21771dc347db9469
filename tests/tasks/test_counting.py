"""Counting: the squared error, and rounding as the original does it."""

import pytest
import torch
from torch import Tensor

from clipbug.config.task import CountConfig
from clipbug.errors import ConfigError
from clipbug.metrics.counts import mean_squared_error
from clipbug.tasks.build import build_task
from clipbug.tasks.counting import Counting
from tests.helpers.batches import FixedOutput, count_batch


def task(outputs: Tensor) -> Counting:
    return Counting(FixedOutput(outputs), minimum=1, maximum=10, clip_aggregation="mean")


OUTPUTS = torch.tensor([[0.2, 0.4], [2.4, 3.8], [11.0, 30.0], [5.0, 5.2], [-3.0, 1.0], [9.0, 10.2]])[
    ..., None
]


def test_loss_is_the_squared_error_of_the_mean_over_clips() -> None:
    batch = count_batch()
    numbers = [1, 3, 10, None, 2, 12]
    expected = sum(
        (sum(clips) / 2 - number) ** 2
        for clips, number in zip(OUTPUTS.squeeze(-1).tolist(), numbers, strict=True)
        if number is not None
    )
    assert task(OUTPUTS)(batch).sums["count"].item() == pytest.approx(expected, rel=1e-5)  # fp32
    assert task(OUTPUTS).count_targets(batch) == {"count": 5}


def test_answers_are_rounded_and_kept_in_range() -> None:
    predictions = task(OUTPUTS).predict(count_batch())
    pooled = OUTPUTS.squeeze(-1).mean(dim=1)
    as_original = (pooled + 0.5).long().clamp(min=1, max=10).tolist()
    assert [int(prediction.answer) for prediction in predictions] == as_original == [1, 3, 10, 5, 1, 10]
    assert [clip.answer for clip in predictions[1].clips] == ["2", "4"]
    assert predictions[3].top[0][0] == "5"
    assert predictions[0].pooled_logits.shape == (10,)


def test_scores_are_accuracy_and_squared_error_of_the_rounded_number() -> None:
    batch = count_batch()
    records = [
        type(row)(
            row.record_id, row.record_id, row.media_id, row.text, {} if number < 0 else {str(number): 1.0}
        )
        for row, number in zip(batch.records, batch.targets["count"].tolist(), strict=True)
    ]
    scores = task(OUTPUTS).metric()(task(OUTPUTS).predict(batch), records)
    assert scores["accuracy"] == pytest.approx(3 / 5)  # 1, 3, 10 are right; 1 for 2 and 10 for 12 are not
    assert scores["mse"] == pytest.approx((1 + 4) / 5)
    with pytest.raises(ValueError, match="given must not be empty"):
        mean_squared_error([], [])


def test_numbers_are_not_pooled_by_logsumexp() -> None:
    with pytest.raises(ConfigError, match="adds up the numbers"):
        build_task(
            CountConfig(),
            FixedOutput(OUTPUTS),
            answers=None,
            clip_aggregation="logsumexp",
            label_smoothing=0.0,
        )
    with pytest.raises(ValueError, match="not below maximum"):
        CountConfig(minimum=4, maximum=3)
