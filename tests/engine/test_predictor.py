from collections.abc import Iterator

import pytest
import torch

from clipbug.data.batch import Batch
from clipbug.engine.evaluator import Evaluator
from clipbug.engine.interruption import StopSignals
from clipbug.engine.predictor import inference, predict
from clipbug.errors import DataError, OutOfMemoryError
from clipbug.tasks.base import Prediction
from tests.engine.fakes import ALONE, FakeTask, make_batch

CPU = torch.device("cpu")
IDS = [[3, 1, 2], [9, 4], [7]]


class _Batches:
    def __init__(self, *, with_targets: bool = True) -> None:
        self._with_targets = with_targets

    def __iter__(self) -> Iterator[Batch]:
        return (make_batch(ids, with_targets=self._with_targets) for ids in IDS)

    def __len__(self) -> int:
        return len(IDS)


def _predict(task: FakeTask, batches: object) -> list[tuple[object, Prediction]]:
    return predict(task, batches, device=CPU, precision="fp32", distributed=ALONE, description="infer")


def test_one_prediction_per_row_in_the_loaders_order() -> None:
    task = FakeTask(dropout=0.5).train()
    pairs = _predict(task, _Batches(with_targets=False))
    assert [record.record_id for record, _ in pairs] == ["q3", "q1", "q2", "q9", "q4", "q7"]
    assert all(record.record_id == prediction.record_id for record, prediction in pairs)
    task.eval()
    expected = torch.cat([task.model(batch.frames) for batch in _Batches()]).detach()
    found = torch.stack([torch.from_numpy(prediction.pooled_logits) for _, prediction in pairs])
    assert torch.equal(found, expected)  # same operations on same shapes: bit for bit, and without dropout


@pytest.mark.parametrize("mode", [True, False])
def test_mode_is_given_back_even_after_an_error(mode: bool) -> None:
    task = FakeTask().train(mode)
    with inference(task):
        assert not task.training
        assert torch.is_inference_mode_enabled()
    assert task.training == mode
    with pytest.raises(ZeroDivisionError), inference(task):
        _ = 1 / 0
    assert task.training == mode
    assert not torch.is_inference_mode_enabled()


def test_ids_that_belong_to_several_rows_are_named() -> None:
    with pytest.raises(DataError, match=r"1 ids.*'q2'"):
        _predict(FakeTask(), [make_batch([1, 2]), make_batch([2])])


def test_missing_prediction_is_a_defect_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    task = FakeTask()
    monkeypatch.setattr(task, "predict", lambda batch: FakeTask.predict(task, batch)[:-1])
    with pytest.raises(ValueError, match="shorter"):
        _predict(task, _Batches())


def test_out_of_memory_names_the_settings_of_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Batch) -> None:
        raise MemoryError

    task = FakeTask()
    monkeypatch.setattr(task, "predict", fail)
    with pytest.raises(OutOfMemoryError) as caught:
        _predict(task, _Batches())
    assert "eval.batch_size" in caught.value.hint
    assert "train." not in caught.value.hint


def test_evaluation_is_the_metric_and_the_mean_losses_over_all_targets() -> None:
    task = FakeTask(dropout=0.5).train()
    scores = Evaluator(task, _Batches(), precision="fp32", distributed=ALONE).evaluate(StopSignals()).scores
    assert task.training
    task.eval()
    whole = make_batch([i for ids in IDS for i in ids])
    logits, labels = task.model(whole.frames).detach(), whole.targets["labels"]
    right = [int(row.argmax()) == i % 3 for row, i in zip(logits, [3, 1, 2, 9, 4, 7], strict=True)]
    answer = torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100)
    size = logits[labels == 1].square().sum(dim=1).mean()
    assert scores["accuracy"] == scores["score"] == pytest.approx(sum(right) / 6)
    assert scores["rows"] == 6
    # float32 means over six rows, summed in another order
    assert scores["loss_answer"] == pytest.approx(float(answer), rel=1e-5)
    assert scores["loss_size"] == pytest.approx(float(size), rel=1e-5)
    assert scores["loss"] == pytest.approx(float(answer + size), rel=1e-5)


def test_evaluation_can_be_repeated() -> None:
    evaluator = Evaluator(FakeTask(dropout=0.5), _Batches(), precision="fp32", distributed=ALONE)
    assert evaluator.evaluate(StopSignals()).scores == evaluator.evaluate(StopSignals()).scores


def test_no_loss_without_targets() -> None:
    scores = (
        Evaluator(FakeTask(), _Batches(with_targets=False), precision="fp32", distributed=ALONE)
        .evaluate(StopSignals())
        .scores
    )
    assert set(scores) == {"accuracy", "rows", "score"}
