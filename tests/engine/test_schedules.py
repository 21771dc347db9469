import math

import pytest

from clipbug.engine.schedules import Schedule, learning_rate_factor

# (total, warm-up) -> step -> learning rate of the original with base 5e-5, as recorded by running it.
ORIGINAL = {
    (100, 10): {
        1: 5e-06,
        2: 1e-05,
        9: 4.5e-05,
        10: 5e-05,
        11: 4.9444444444444446e-05,
        99: 5.555555555555556e-07,
    },
    (37, 3): {1: 1.6666666666666667e-05, 3: 5e-05, 4: 4.8529411764705885e-05, 36: 1.4705882352941177e-06},
    (20, 0): {1: 4.75e-05, 2: 4.5e-05, 10: 2.5e-05, 19: 2.5e-06},
    (9, 0): {1: 4.4444444444444447e-05, 4: 2.777777777777778e-05, 8: 5.555555555555556e-06},
}


@pytest.mark.parametrize(("total", "warmup"), ORIGINAL)
def test_linear_is_the_original(total: int, warmup: int) -> None:
    for step, rate in ORIGINAL[total, warmup].items():
        factor = learning_rate_factor(step, schedule="linear", warmup_steps=warmup, total_steps=total)
        assert math.isclose(5e-5 * factor, rate, rel_tol=1e-12)  # both in float64: rounding only


@pytest.mark.parametrize("schedule", ["linear", "cosine", "inverse_sqrt"])
@pytest.mark.parametrize(("warmup", "total"), [(0, 1), (0, 7), (1, 7), (5, 7), (7, 7)])
def test_rises_to_1_and_never_rises_again(schedule: Schedule, warmup: int, total: int) -> None:
    factors = [
        learning_rate_factor(step, schedule=schedule, warmup_steps=warmup, total_steps=total)
        for step in range(1, total + 1)
    ]
    assert all(0 <= factor <= 1 for factor in factors)
    assert factors[: max(warmup - 1, 0)] == [step / warmup for step in range(1, warmup)]
    after = factors[max(warmup - 1, 0) :]
    assert after == sorted(after, reverse=True)
    if 0 < warmup < total:
        assert after[0] == 1


def test_cosine_halfway_is_half() -> None:
    assert learning_rate_factor(60, schedule="cosine", warmup_steps=20, total_steps=100) == pytest.approx(0.5)
    assert learning_rate_factor(100, schedule="cosine", warmup_steps=20, total_steps=100) == 0


def test_steps_count_from_1() -> None:
    with pytest.raises(ValueError, match="got 0"):
        learning_rate_factor(0, schedule="linear", warmup_steps=1, total_steps=2)
