"""The bootstrap interval against exact distributions and properties."""

from itertools import product

import numpy as np
import pytest

from clipbug.metrics.intervals import bootstrap_interval


def test_equals_the_exact_bootstrap_of_few_clusters() -> None:
    scores, clusters = [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0], ["a", "a", "a", "b", "c", "c", "c"]
    members = {name: [s for s, c in zip(scores, clusters, strict=True) if c == name] for name in "abc"}
    draws = [[score for name in names for score in members[name]] for names in product("abc", repeat=3)]
    exact = np.quantile([np.mean(draw) for draw in draws], [0.2, 0.8])
    # 0.2 and 0.8 lie inside flat steps of the 27 exact means, so 20000 draws give the very same values
    low, high = bootstrap_interval(scores, clusters, confidence=0.6, num_resamples=20_000)
    assert (low, high) == pytest.approx(tuple(exact), abs=1e-12)


def test_rows_of_one_recording_do_not_make_the_interval_narrow() -> None:
    generator = np.random.default_rng(1)
    per_recording = generator.integers(0, 2, 20).astype(float)
    scores = np.repeat(per_recording, 10).tolist()  # ten copies of each: no more knowledge than twenty rows
    recordings = [f"v{index}" for index in range(20) for _ in range(10)]
    rows = [f"r{index}" for index in range(200)]
    low, high = bootstrap_interval(scores, recordings)
    row_low, row_high = bootstrap_interval(scores, rows)
    # the standard error grows by sqrt(10) = 3.2; 2.5 leaves room for the discrete means of 20 recordings
    assert high - low > 2.5 * (row_high - row_low)
    assert bootstrap_interval(per_recording.tolist(), [f"v{index}" for index in range(20)]) == (low, high)


def test_is_repeatable_and_follows_the_seed() -> None:
    scores, clusters = [1.0, 0.0, 0.5, 0.25, 1.0], list("abcde")
    assert bootstrap_interval(scores, clusters) == bootstrap_interval(scores, clusters)
    many = {bootstrap_interval(scores, clusters, num_resamples=20, seed=seed) for seed in range(5)}
    assert len(many) > 1


def test_contains_the_mean_and_covers_it_as_often_as_said() -> None:
    generator = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        scores = (generator.random(60) < 0.5).astype(float).tolist()
        low, high = bootstrap_interval(scores, [str(i) for i in range(60)], num_resamples=200, seed=trial)
        assert low <= np.mean(scores) <= high
        hits += low <= 0.5 <= high
    # 95 % of 200 trials is 190 +- 3.1; below 178 (four standard errors) or always right would be wrong
    assert 178 <= hits < 200


def test_equal_scores_have_no_width_and_one_recording_knows_nothing() -> None:
    assert bootstrap_interval([1.0, 1.0], ["a", "b"]) == (1.0, 1.0)
    assert bootstrap_interval([1.0, 0.0, 1.0], ["a", "a", "a"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("scores", "clusters", "confidence"), [([], [], 0.95), ([1.0], [], 0.95), ([1.0, 0.0], ["a", "b"], 1.0)]
)
def test_wrong_arguments(scores: list[float], clusters: list[str], confidence: float) -> None:
    with pytest.raises(ValueError, match=r"must not be empty|expected one cluster per score|must be in"):
        bootstrap_interval(scores, clusters, confidence=confidence)
