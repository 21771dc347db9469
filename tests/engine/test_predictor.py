from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from clipbug.data.loading.batch import Batch, UnreadVisual
from clipbug.engine import predictor
from clipbug.engine.evaluator import Evaluator
from clipbug.engine.interruption import StopSignals
from clipbug.engine.predictor import gather_pairs, inference, predict
from clipbug.errors import DataError, OutOfMemoryError
from clipbug.tasks.base import Prediction
from tests.helpers.fake_tasks import ALONE, FakeTask, make_batch

CPU = torch.device("cpu")
IDS = [[3, 1, 2], [9, 4], [7]]


class _Batches:
    def __init__(self, *, with_targets: bool = True) -> None:
        self._with_targets = with_targets

    def __iter__(self) -> Iterator[Batch]:
        return (make_batch(ids, with_targets=self._with_targets) for ids in IDS)

    def __len__(self) -> int:
        return len(IDS)


def _predict(task: FakeTask, batches: Iterable[Batch | UnreadVisual]) -> list[Prediction | UnreadVisual]:
    """All predictions, and in their places what could not be read."""
    parts = predict(
        task, batches, encode=lambda frames: frames, device=CPU, precision="fp32", description="infer"
    )
    return [item for part in parts for item in (part if isinstance(part, list) else [part])]


def test_one_prediction_per_row_in_the_loaders_order() -> None:
    task = FakeTask(dropout=0.5).train()
    predictions = _predict(task, _Batches(with_targets=False))
    assert [item.record_id for item in predictions if isinstance(item, Prediction)] == [
        *("q3", "q1", "q2", "q9", "q4", "q7")
    ]
    task.eval()
    expected = torch.cat([task.model(batch.frames) for batch in _Batches()]).detach()
    logits = [torch.from_numpy(item.pooled_logits) for item in predictions if isinstance(item, Prediction)]
    assert torch.equal(torch.stack(logits), expected)  # the same operations: bit for bit, without dropout


def test_what_could_not_be_read_is_handed_on_and_stops_nothing() -> None:
    unread = UnreadVisual("media5", make_batch([5]).records, "cut off", "record it again")
    items = _predict(FakeTask(), [make_batch([1]), unread, make_batch([2])])
    assert items[1] is unread
    assert [item.record_id for item in items if isinstance(item, Prediction)] == ["q1", "q2"]


def test_visuals_are_encoded_once_whatever_the_number_of_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "TEXTS_PER_CALL", 2)
    encoded, asked = [], []

    class Task(FakeTask):
        def predict(self, batch: Batch) -> list[Prediction]:
            asked.append([record.record_id for record in batch.records])
            return FakeTask.predict(self, replace(batch, frames=batch.frames[batch.visual_index]))

    def encode(frames: Tensor) -> Tensor:
        encoded.append(frames)
        return frames

    batches = [make_batch([1, 2, 3, 4, 5])]
    parts = list(predict(Task(), batches, encode=encode, device=CPU, precision="fp32", description="infer"))
    assert len(encoded) == 1
    assert asked == [["q1", "q2"], ["q3", "q4"], ["q5"]]
    assert len(parts) == 1


def test_callers_run_outside_of_inference_mode() -> None:
    for _ in predict(
        FakeTask(),
        _Batches(),
        encode=lambda frames: frames,
        device=CPU,
        precision="fp32",
        description="infer",
    ):
        assert not torch.is_inference_mode_enabled()


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
    records = [record for ids in ([1, 2], [2]) for record in make_batch(ids).records]
    task = FakeTask().requires_grad_(False)
    predictions = [item for ids in ([1, 2], [2]) for item in task.predict(make_batch(ids))]
    with pytest.raises(DataError, match=r"1 ids.*'q2'"):
        gather_pairs(list(zip(records, predictions, strict=True)), ALONE)


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
