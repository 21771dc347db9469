import pytest

from clipbug.benchmarks.train_benchmark import BASELINE, DEFAULTS, VARIANTS, measure_training
from clipbug.errors import ConfigError

pytestmark = pytest.mark.slow


def test_tells_of_every_variant_and_gradients_are_equal() -> None:
    only = ("clips folded", "defaults)", "activation_checkpointing")
    report = measure_training(only=only, steps=1, scale="tiny").to_json()
    assert set(report["variants"]) == {
        BASELINE,
        "clips folded",
        DEFAULTS,
        "defaults + activation_checkpointing",
    }
    for row in report["variants"].values():
        assert row["samples_per_second"] == pytest.approx(2 / row["seconds_per_step"], rel=0.05)
        assert 0 <= row["data_wait_share"] <= 1
        assert row["peak_memory_gib"] > 0
        assert row["tflop_per_step"] > 0
        assert row["mfu"] > 0
    assert report["variants"][BASELINE]["speedup"] == 1
    arithmetic = [report["variants"][name]["tflop_per_step"] for name in ("clips folded", DEFAULTS)]
    assert arithmetic[1] < 0.7 * arithmetic[0]  # 192x108, padded to 192x128 or to 192x192
    # float32 gradients of some ten million terms, summed in another order
    assert report["gradients"]["greatest_relative_difference"] < 1e-3
    assert report["gradients"]["loss"] == pytest.approx(report["gradients"]["original_loss"], rel=1e-5)
    assert report["gradients"]["tensors_compared"] > 50


def test_names_that_fit_no_variant_list_those_there_are() -> None:
    with pytest.raises(ConfigError, match="flash") as caught:
        measure_training(only=["flash"])
    assert all(name in caught.value.hint for name in VARIANTS)
