import pytest

from clipbug.engine.meter import StepMeter
from clipbug.engine.step import StepResult
from tests.helpers.fake_tasks import ALONE


def test_means_are_over_targets_not_over_steps() -> None:
    meter = StepMeter()
    meter.add(
        StepResult({"mlm": 6.0}, {"logit": 1.0}, 3.0), {"mlm": 3}, visuals=4, seconds=1.0, waited_seconds=0.5
    )
    meter.add(
        StepResult({"mlm": 9.0}, {"logit": 2.0}, 5.0), {"mlm": 1}, visuals=4, seconds=3.0, waited_seconds=0.5
    )
    assert meter.drain(ALONE) == pytest.approx(
        {
            "loss": 15 / 4,
            "logit": 1.5,
            "gradient_norm": 5.0,
            "samples_per_second": 2.0,
            "data_wait_share": 0.25,
        }
    )


def test_begins_anew_after_each_log() -> None:
    meter = StepMeter()
    result = StepResult({"mlm": 6.0, "matching": 1.0}, {}, 3.0)
    meter.add(result, {"mlm": 3, "matching": 1}, visuals=4, seconds=1.0, waited_seconds=0.5)
    first = meter.drain(ALONE)
    assert (first["loss_mlm"], first["loss_matching"], first["loss"]) == (2.0, 1.0, 3.0)
    meter.add(result, {"mlm": 2, "matching": 1}, visuals=4, seconds=1.0, waited_seconds=0.5)
    assert meter.drain(ALONE)["loss_mlm"] == 3.0
